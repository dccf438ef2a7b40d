/** Text to token ids, for a request: refuses what cannot fit, and says in the caller's words what went wrong. */
import type { EncodeOptions } from '../text/tokenizer.ts'
import { RequestError } from './request-error.ts'
import type { Serving } from './serving.ts'

/** English has 4 to 5 characters per token. Only long runs of one character have more than this, and those carry nothing. */
const CHARS_PER_TOKEN_MAX = 32

/**
 * @param specialTokens as the tokenizer takes it; a chat's are unshielded
 * @param signal aborts when the caller has left: then the text does not hold up others
 * @throws RequestError for text that is far too long for the context, and when too many long texts wait
 */
export async function encodePrompt(
  { encoder, context }: Serving,
  text: string,
  param: string,
  specialTokens: EncodeOptions['specialTokens'] = true,
  signal?: AbortSignal,
): Promise<number[]> {
  const charsMax = context * CHARS_PER_TOKEN_MAX
  if (text.length > charsMax) {
    const message = `The prompt has ${text.length} characters; a context of ${context} tokens takes at most ${charsMax}.`
    throw new RequestError('context_length_exceeded', message, param)
  }
  const encoded = await encoder.encode(text, { specialTokens }, signal)
  if (encoded.ok) return encoded.ids
  if (encoded.reason === 'full') throw new RequestError('queue_full', 'Too many long prompts wait; try again soon.')
  // Nobody is there to be told.
  if (encoded.reason === 'dropped') throw new RequestError('invalid_request', 'The caller has left.')
  if (encoded.reason === 'stopped') throw new RequestError('engine_unavailable', 'The server is stopping.')
  throw new Error(encoded.message)
}
