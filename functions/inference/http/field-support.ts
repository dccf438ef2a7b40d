/**
 * Which fields of a completion request this server honours. A field that would change the answer and is not honoured is refused by
 * name, never ignored; a value that changes nothing is accepted. Null means "not given", as OpenAI's clients send it.
 */
import { RequestError } from './request-error.ts'

const any = () => true
const only =
  (...values: unknown[]) =>
  (value: unknown) =>
    values.includes(value)
const empty = (value: unknown) =>
  typeof value === 'object' && value !== null && (Array.isArray(value) ? value : Object.keys(value)).length === 0

/** Fields that are read elsewhere, of both kinds of completion. */
const READ = [
  'model',
  'stream',
  'stream_options',
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'stop',
  'max_tokens',
  'n',
  'min_p',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'logit_bias',
  'min_tokens',
  'ignore_eos',
  'stop_token_ids',
  'return_token_ids',
  'perigee',
]

/** Fields that are not read: the values with which the answer is what it would be without them. */
const HARMLESS: Record<string, (value: unknown) => boolean> = {
  // Labels and hints of the caller, which never change the text.
  user: any,
  metadata: any,
  safety_identifier: any,
  prompt_cache_key: any,
  prompt_cache_retention: any,
  service_tier: any,
  parallel_tool_calls: any,
  reasoning_effort: any,
  verbosity: any,
  store: only(false),
  // Of the other kind of completion, or not supported.
  logprobs: only(false),
  top_logprobs: only(0),
  best_of: only(1),
  echo: only(false),
  suffix: only(''),
  tools: empty,
  tool_choice: only('none', 'auto'),
  functions: empty,
  function_call: only('none', 'auto'),
  response_format: (value) => typeof value === 'object' && value !== null && 'type' in value && value.type === 'text',
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
  continue_final_message: only(false),
  add_generation_prompt: only(true),
}

/** Of the name of a field that the caller made up. */
const NAME_CHARS_MAX = 64

/** @throws RequestError for the first field that would have to be ignored */
export function refuseUnsupported(body: object, extra: readonly string[]): void {
  for (const [field, value] of Object.entries(body)) {
    if (value === null || READ.includes(field) || extra.includes(field)) continue
    const isHarmless = Object.hasOwn(HARMLESS, field) ? HARMLESS[field] : undefined
    if (isHarmless === undefined) {
      const name = field.length > NAME_CHARS_MAX ? `${field.slice(0, NAME_CHARS_MAX)}...` : field
      throw new RequestError('unknown_parameter', `This server does not know the field ${name}.`, name)
    }
    if (isHarmless(value)) continue
    // Never the value: it may be large, or somebody's text.
    throw new RequestError('unsupported_parameter', `This server does not support ${field} with this value.`, field)
  }
}

/** The same for a request whose fields are few. @throws RequestError for the first field that is not among `read` */
export function refuseUnread(body: object, read: readonly string[]): void {
  const field = Object.entries(body).find(([name, value]) => value !== null && !read.includes(name))?.[0]
  if (field === undefined) return
  throw new RequestError('unknown_parameter', `This server does not know the field ${field}.`, field)
}
