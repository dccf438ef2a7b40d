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
  store: only(false),
  // Not supported yet.
  presence_penalty: only(0),
  frequency_penalty: only(0),
  repetition_penalty: only(1),
  min_p: only(0),
  logit_bias: empty,
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
  ignore_eos: only(false),
  min_tokens: only(0),
  continue_final_message: only(false),
  add_generation_prompt: only(true),
}

/** @throws RequestError for the first field that would have to be ignored */
export function refuseUnsupported(body: object, extra: readonly string[]): void {
  for (const [field, value] of Object.entries(body)) {
    if (value === null || READ.includes(field) || extra.includes(field)) continue
    const isHarmless = Object.hasOwn(HARMLESS, field) ? HARMLESS[field] : undefined
    if (isHarmless === undefined) {
      throw new RequestError('unknown_parameter', `This server does not know the field ${field}.`, field)
    }
    if (isHarmless(value)) continue
    const shown = JSON.stringify(value).slice(0, 80)
    throw new RequestError('unsupported_parameter', `This server does not support ${field}: ${shown}.`, field)
  }
}

/** The same for a request whose fields are few. @throws RequestError for the first field that is not among `read` */
export function refuseUnread(body: object, read: readonly string[]): void {
  const field = Object.entries(body).find(([name, value]) => value !== null && !read.includes(name))?.[0]
  if (field === undefined) return
  throw new RequestError('unknown_parameter', `This server does not know the field ${field}.`, field)
}
