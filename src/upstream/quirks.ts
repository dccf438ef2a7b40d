/** What endpoints want said differently: a pure transformation of a call's body for each quirk of src/contract/provider-presets.ts. */
import type { Quirk } from '../contract/provider-presets.ts'
import type { WireBody } from './wire-body.ts'

type Body = Readonly<Record<string, unknown>>
type Change = (body: Body) => Body

/** What /v1/messages keeps of Anthropic's in OpenAI's messages, parts and tools. */
const MESSAGE_EXTRAS = ['cache_control', 'thinking_blocks', 'is_error'] as const
/** vLLM's, which callers of its kin may send. */
const SAMPLING_EXTRAS = [
  ...['top_k', 'min_p', 'repetition_penalty', 'min_tokens', 'ignore_eos', 'stop_token_ids'],
  ...['return_token_ids', 'add_generation_prompt', 'continue_final_message'],
] as const

const CHANGES: Readonly<Record<Quirk, Change>> = {
  no_message_extras: (body) => ({
    ...body,
    ...(body.messages === undefined ? {} : { messages: bare(body.messages) }),
    ...(body.tools === undefined ? {} : { tools: listWithout(body.tools, MESSAGE_EXTRAS) }),
  }),
  no_message_names: (body) =>
    body.messages === undefined ? body : { ...body, messages: listWithout(body.messages, ['name']) },
  no_thinking: (body) => without(body, ['thinking']),
  no_sampling_extras: (body) => without(body, SAMPLING_EXTRAS),
  no_seed: (body) => without(body, ['seed']),
  random_seed: (body) => renamed(body, 'seed', 'random_seed'),
  no_user: (body) => without(body, ['user']),
  no_penalties: (body) => without(body, ['frequency_penalty', 'presence_penalty']),
  no_parallel_tool_calls: (body) => without(body, ['parallel_tool_calls']),
  no_stream_options: (body) => without(body, ['stream_options']),
  max_tokens: (body) => renamed(body, 'max_completion_tokens', 'max_tokens'),
  // Text completions have the one name alone.
  max_completion_tokens: (body) =>
    body.messages === undefined ? body : renamed(body, 'max_tokens', 'max_completion_tokens'),
  developer_as_system: (body) => ({ ...body, ...(isList(body.messages) ? { messages: asSystem(body.messages) } : {}) }),
}

export function withQuirks(body: WireBody, quirks: readonly Quirk[]): WireBody {
  if (quirks.length === 0) return body
  const changes = quirks.map((quirk) => CHANGES[quirk])
  return (call) => changes.reduce<Body>((said, change) => change(said), { ...body(call) })
}

/** The same object where it has none of the fields: most have none. */
function without(fields: Body, names: readonly string[]): Body {
  if (!names.some((name) => name in fields)) return fields
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
}

/** What is there under the new name already is what the caller meant. */
function renamed(body: Body, from: string, to: string): Body {
  const value = body[from]
  const rest = without(body, [from])
  return value === undefined || value === null || rest[to] !== undefined ? rest : { ...rest, [to]: value }
}

function listWithout(list: unknown, names: readonly string[]): unknown {
  return isList(list) ? list.map((entry) => (isFields(entry) ? without(entry, names) : entry)) : list
}

function bare(messages: unknown): unknown {
  if (!isList(messages)) return messages
  return messages.map((message) => {
    if (!isFields(message)) return message
    const plain = without(message, MESSAGE_EXTRAS)
    return {
      ...plain,
      ...(isList(plain.content) ? { content: listWithout(plain.content, MESSAGE_EXTRAS) } : {}),
      ...(isList(plain.tool_calls) ? { tool_calls: listWithout(plain.tool_calls, MESSAGE_EXTRAS) } : {}),
    }
  })
}

function asSystem(messages: readonly unknown[]): unknown[] {
  return messages.map((message) =>
    isFields(message) && message.role === 'developer' ? { ...message, role: 'system' } : message,
  )
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function isFields(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
