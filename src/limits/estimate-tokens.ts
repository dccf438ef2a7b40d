/** About how many tokens a request will cost, before any is counted: corrected when its usage is known. The Worker has no tokenizer. */
import type { ModelRequest } from '../chat/ports.ts'

/** Of English; other scripts have fewer, and are corrected. */
const CHARS_PER_TOKEN = 4
/** The template's own, for each message. */
const TOKENS_PER_MESSAGE = 4
/** Of an answer that may be longer. To count `max_tokens` in full would keep out callers who say more than they use. */
const ANSWER_TOKENS = 256
/** A part that is no text. */
const TOKENS_PER_PART = 256

export function estimateTokens({ kind, body }: ModelRequest): number {
  const answers = (body.n ?? 1) * Math.min(ANSWER_TOKENS, body.max_tokens ?? ANSWER_TOKENS)
  if (kind === 'text') {
    const prompt = Array.isArray(body.prompt)
      ? typeof body.prompt[0] === 'string'
        ? body.prompt[0]
        : body.prompt
      : body.prompt
    return answers + (typeof prompt === 'string' ? Math.ceil(prompt.length / CHARS_PER_TOKEN) : prompt.length)
  }
  let chars = 0
  let tokens = answers
  for (const { content } of body.messages) {
    tokens += TOKENS_PER_MESSAGE
    if (typeof content === 'string') chars += content.length
    else
      for (const part of content ?? []) {
        if (typeof part.text === 'string') chars += part.text.length
        else tokens += TOKENS_PER_PART
      }
  }
  return tokens + Math.ceil(chars / CHARS_PER_TOKEN)
}
