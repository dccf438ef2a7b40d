/** Text to token ids, in bounded time: the tokenizer runs where all callers are served, at up to 10 ms per 1,000 characters. */
import type { EncodeOptions } from '../text/tokenizer.ts'
import { RequestError } from './request-error.ts'
import type { Serving } from './serving.ts'

/** English has 4 to 5 characters per token. Only long runs of one character have more than this, and those carry nothing. */
const CHARS_PER_TOKEN_MAX = 32

/**
 * @param specialTokens as the tokenizer takes it; a chat's are unshielded
 * @throws RequestError for text that is far too long for the context
 */
export function encodePrompt(
  { tokenizer, context }: Serving,
  text: string,
  param: string,
  specialTokens: EncodeOptions['specialTokens'] = true,
): number[] {
  const charsMax = context * CHARS_PER_TOKEN_MAX
  if (text.length > charsMax) {
    const message = `The prompt has ${text.length} characters; a context of ${context} tokens takes at most ${charsMax}.`
    throw new RequestError('context_length_exceeded', message, param)
  }
  return tokenizer.encode(text, { specialTokens })
}
