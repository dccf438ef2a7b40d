/**
 * Anthropic's Messages on the wire: the request as the edge parses it, and what it answers. Fields that we do not know are refused
 * only where they would change the answer without our doing it: tools that Anthropic runs itself, documents, containers.
 */
import * as z from 'zod/mini'
import { MAX_TOKENS_MAX, MESSAGES_MAX, MODEL_CHARS_MAX, STOP_CHARS_MAX, STOP_STRINGS_MAX } from './chat-completion.ts'

const PARTS_MAX = 1_024
const TOOLS_MAX = 512
const cacheControl = z.nullish(z.looseObject({ type: z.literal('ephemeral') }))

const textBlock = z.looseObject({ type: z.literal('text'), text: z.string(), cache_control: cacheControl })
const imageBlock = z.looseObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.looseObject({
      type: z.literal('base64'),
      media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
      data: z.string().check(z.regex(/^[A-Za-z0-9+/]*={0,2}$/, 'must be base64')),
    }),
    z.looseObject({ type: z.literal('url'), url: z.url({ protocol: /^https?$/ }) }),
  ]),
  cache_control: cacheControl,
})
const toolUseBlock = z.looseObject({
  type: z.literal('tool_use'),
  id: z.string().check(z.minLength(1), z.maxLength(256)),
  name: z.string().check(z.minLength(1), z.maxLength(256)),
  input: z.record(z.string(), z.unknown()),
  cache_control: cacheControl,
})
const toolResultBlock = z.looseObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string().check(z.minLength(1), z.maxLength(256)),
  content: z.nullish(
    z.union([z.string(), z.array(z.discriminatedUnion('type', [textBlock, imageBlock])).check(z.maxLength(PARTS_MAX))]),
  ),
  is_error: z.nullish(z.boolean()),
  cache_control: cacheControl,
})
const thinkingBlock = z.looseObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() })
const redactedThinkingBlock = z.looseObject({ type: z.literal('redacted_thinking'), data: z.string() })

const userContent = z.union([
  z.string(),
  z.array(z.discriminatedUnion('type', [textBlock, imageBlock, toolResultBlock])).check(z.maxLength(PARTS_MAX)),
])
const assistantContent = z.union([
  z.string(),
  z
    .array(z.discriminatedUnion('type', [textBlock, toolUseBlock, thinkingBlock, redactedThinkingBlock]))
    .check(z.maxLength(PARTS_MAX)),
])
const messageSchema = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('user'), content: userContent }),
  z.looseObject({ role: z.literal('assistant'), content: assistantContent }),
])
export type MessageParam = z.infer<typeof messageSchema>

/** Of the caller. Those with another `type` Anthropic would run itself. */
const toolSchema = z.looseObject({
  type: z.nullish(z.literal('custom', 'must be custom: tools that Anthropic runs itself are not served here')),
  name: z.string().check(z.minLength(1), z.maxLength(128)),
  description: z.nullish(z.string()),
  input_schema: z.looseObject({ type: z.literal('object') }),
  cache_control: cacheControl,
})

const toolChoiceSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('auto'), disable_parallel_tool_use: z.nullish(z.boolean()) }),
  z.looseObject({ type: z.literal('any'), disable_parallel_tool_use: z.nullish(z.boolean()) }),
  z.looseObject({ type: z.literal('none') }),
  z.looseObject({
    type: z.literal('tool'),
    name: z.string().check(z.minLength(1), z.maxLength(128)),
    disable_parallel_tool_use: z.nullish(z.boolean()),
  }),
])

const promptShape = {
  model: z.string().check(z.minLength(1), z.maxLength(MODEL_CHARS_MAX)),
  messages: z.array(messageSchema).check(z.minLength(1), z.maxLength(MESSAGES_MAX)),
  system: z.nullish(z.union([z.string(), z.array(textBlock).check(z.maxLength(PARTS_MAX))])),
  tools: z.nullish(z.array(toolSchema).check(z.maxLength(TOOLS_MAX))),
  tool_choice: z.nullish(toolChoiceSchema),
  /** Handed on: what it means is the model's. */
  thinking: z.nullish(z.looseObject({ type: z.string().check(z.maxLength(64)) })),
}

export const messagesRequestSchema = z.looseObject({
  ...promptShape,
  max_tokens: z.int().check(z.minimum(1), z.maximum(MAX_TOKENS_MAX)),
  stop_sequences: z.nullish(
    z.array(z.string().check(z.minLength(1), z.maxLength(STOP_CHARS_MAX))).check(z.maxLength(STOP_STRINGS_MAX)),
  ),
  stream: z.nullish(z.boolean()),
  temperature: z.nullish(z.number().check(z.minimum(0), z.maximum(1))),
  top_p: z.nullish(z.number().check(z.gt(0), z.maximum(1))),
  top_k: z.nullish(z.int().check(z.minimum(0), z.maximum(1_000_000))),
  metadata: z.nullish(z.looseObject({ user_id: z.nullish(z.string().check(z.maxLength(512))) })),
  /** Servers and sandboxes of Anthropic's: nobody here would run them. */
  mcp_servers: z.optional(z.array(z.unknown()).check(z.maxLength(0, 'must be empty: no servers are called from here'))),
  container: z.optional(z.null('must be null: there are no containers here')),
})
export type MessagesRequest = z.infer<typeof messagesRequestSchema>

export const countTokensRequestSchema = z.looseObject(promptShape)
export type CountTokensRequest = z.infer<typeof countTokensRequestSchema>

export type MessageStopReason = 'end_turn' | 'max_tokens' | 'stop_sequence' | 'tool_use' | 'refusal'

/** Of input tokens those that were read from a cache are not counted in `input_tokens`. */
export type MessageUsage = {
  input_tokens: number
  output_tokens: number
  cache_creation_input_tokens: number
  cache_read_input_tokens: number
}

export type MessageBlock =
  | { type: 'text'; text: string; citations: null }
  | { type: 'tool_use'; id: string; name: string; input: { [field: string]: unknown } }
  | { type: 'thinking'; thinking: string; signature: string }
  | { type: 'redacted_thinking'; data: string }

export type MessageResponse = {
  id: string
  type: 'message'
  role: 'assistant'
  model: string
  content: MessageBlock[]
  stop_reason: MessageStopReason | null
  stop_sequence: string | null
  usage: MessageUsage
}

export type MessageDelta =
  | { type: 'text_delta'; text: string }
  | { type: 'input_json_delta'; partial_json: string }
  | { type: 'thinking_delta'; thinking: string }
  | { type: 'signature_delta'; signature: string }

/** The `data` of an event, whose name is its `type`. */
export type MessageEvent =
  | { type: 'message_start'; message: MessageResponse }
  | { type: 'content_block_start'; index: number; content_block: MessageBlock }
  | { type: 'content_block_delta'; index: number; delta: MessageDelta }
  | { type: 'content_block_stop'; index: number }
  | {
      type: 'message_delta'
      delta: { stop_reason: MessageStopReason; stop_sequence: string | null }
      usage: MessageUsage
    }
  | { type: 'message_stop' }
  | { type: 'ping' }
  | MessageError

export type MessageError = {
  type: 'error'
  /** `code` is ours, as in docs/errors.md. */
  error: { type: MessageErrorType; message: string; code: string }
  request_id: string
}

export type MessageErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'request_too_large'
  | 'rate_limit_error'
  | 'timeout_error'
  | 'api_error'
  | 'overloaded_error'
