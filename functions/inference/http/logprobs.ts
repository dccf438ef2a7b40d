/** Log-probabilities in OpenAI's two shapes. A token that is no whole text, being part of a character, is shown by its bytes, as OpenAI does. */
import type { TokenLogprobs } from '../engine/token-logprobs.ts'
import type { Tokenizer } from '../text/tokenizer.ts'

export type LoggedToken = {
  id: number
  /** Where the token's text begins in the whole text, in Unicode code points, as Python counts. */
  offset: number
  /** Null for the first token of a prompt, which nothing comes before. */
  logprobs: TokenLogprobs | null
}

/** @returns null where nothing was asked for, as OpenAI's clients expect it */
export function chatLogprobs(tokenizer: Tokenizer, tokens: readonly LoggedToken[] | null) {
  if (tokens === null) return null
  const entry = (id: number, logprob: number) => ({
    token: tokenText(tokenizer, id, ''),
    logprob,
    bytes: [...tokenizer.bytesOf(id)],
  })
  const content = tokens.map(({ id, logprobs }) => ({
    ...entry(id, logprobs?.logprob ?? 0),
    top_logprobs: (logprobs?.top ?? []).map(([top, logprob]) => entry(top, logprob)),
  }))
  return { content, refusal: null }
}

/** `top_logprobs` has the token itself, too, so one more where it is not among the likeliest. */
export function textLogprobs(tokenizer: Tokenizer, tokens: readonly LoggedToken[] | null) {
  if (tokens === null) return null
  const text = (id: number) => tokenText(tokenizer, id, 'bytes:')
  return {
    tokens: tokens.map(({ id }) => text(id)),
    token_logprobs: tokens.map(({ logprobs }) => logprobs?.logprob ?? null),
    top_logprobs: tokens.map(({ id, logprobs }) => {
      if (logprobs === null) return null
      const shown = logprobs.top.map(([top, logprob]): [string, number] => [text(top), logprob])
      return Object.fromEntries([...shown, [text(id), logprobs.logprob]])
    }),
    text_offset: tokens.map(({ offset }) => offset),
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function tokenText(tokenizer: Tokenizer, id: number, prefix: string): string {
  const bytes = tokenizer.bytesOf(id)
  try {
    return utf8.decode(bytes)
  } catch {
    return prefix + Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  }
}
