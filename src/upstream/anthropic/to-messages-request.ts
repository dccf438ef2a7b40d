/**
 * OpenAI's chat request as Anthropic's. Throws upstream_rejected, naming the field, for what Anthropic has no place for: half of a
 * request is another request. What /v1/messages kept under Anthropic's names (`cache_control`, `thinking_blocks`) goes back to its place.
 */

import type { ChatRequest, Message } from '../../contract/chat-completion.ts'
import { type Fields, isFields, listOfFields } from '../../contract/fields.ts'
import { AppError } from '../../errors.ts'

/** Anthropic asks for one, OpenAI does not. As much as every model that is served today takes. */
const MAX_TOKENS_DEFAULT = 4_096

type Turn = { role: 'user' | 'assistant'; content: Fields[] }

export function toMessagesRequest(body: ChatRequest, model: string): Fields {
  const { system, turns } = conversation(body.messages)
  const stops = typeof body.stop === 'string' ? [body.stop] : (body.stop ?? [])
  return {
    model,
    max_tokens: body.max_completion_tokens ?? body.max_tokens ?? MAX_TOKENS_DEFAULT,
    stream: true,
    messages: turns,
    ...(system.length > 0 ? { system } : {}),
    ...(typeof body.temperature === 'number' ? { temperature: Math.min(body.temperature, 1) } : {}),
    ...(typeof body.top_p === 'number' ? { top_p: body.top_p } : {}),
    // OpenAI's servers take 0 and -1 for "no limit".
    ...(typeof body.top_k === 'number' && body.top_k > 0 ? { top_k: body.top_k } : {}),
    // Anthropic refuses stops of white space alone.
    ...(stops.some((stop) => stop.trim() !== '') ? { stop_sequences: stops.filter((stop) => stop.trim() !== '') } : {}),
    ...toolsOf(body),
    ...(typeof body.user === 'string' && body.user !== '' ? { metadata: { user_id: body.user } } : {}),
    ...(isFields(body.thinking) ? { thinking: body.thinking } : {}),
    ...outputConfig(body),
  }
}

/** System messages come first in Anthropic's requests, and turns alternate: neighbours of one role are one. */
function conversation(messages: readonly Message[]): { system: Fields[]; turns: Turn[] } {
  const system: Fields[] = []
  const turns: Turn[] = []
  for (const [index, message] of messages.entries()) {
    const path = `messages.${index}`
    if (message.role === 'system' || message.role === 'developer') {
      system.push(...blocksOf(message.content, path))
      continue
    }
    const role = message.role === 'assistant' ? 'assistant' : 'user'
    const content = BLOCKS[message.role](message, path)
    const last = turns.at(-1)
    if (last?.role === role) last.content.push(...content)
    else if (content.length > 0) turns.push({ role, content })
  }
  return { system, turns }
}

const BLOCKS: Record<Exclude<Message['role'], 'system' | 'developer'>, (message: Message, path: string) => Fields[]> = {
  user: (message, path) => blocksOf(message.content, path),
  assistant: (message, path) => [
    ...listOfFields(message.thinking_blocks).map(({ index: _, ...block }) => block),
    ...blocksOf(message.content, path),
    ...listOfFields(message.tool_calls).map((call, index) => toolUse(call, `${path}.tool_calls.${index}`)),
  ],
  tool: (message, path) => [
    {
      type: 'tool_result',
      tool_use_id: String(message.tool_call_id ?? ''),
      content: blocksOf(message.content, path),
      ...(message.is_error === true ? { is_error: true } : {}),
      ...marked(message),
    },
  ],
  function: (_, path) => {
    throw rejected('Messages of functions are not taken by this model; use tools.', `${path}.role`)
  },
}

function blocksOf(content: Message['content'], path: string): Fields[] {
  if (content === null || content === undefined || content === '') return []
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return content.flatMap((part, index) => block(part, `${path}.content.${index}`))
}

function block(part: Fields, path: string): Fields[] {
  if (part.type === 'text' || part.type === 'refusal') {
    const text = String(part.text ?? part.refusal ?? '')
    // Anthropic refuses empty ones.
    return text === '' ? [] : [{ type: 'text', text, ...marked(part) }]
  }
  if (part.type === 'image_url') {
    const image = isFields(part.image_url) ? part.image_url.url : part.image_url
    if (typeof image !== 'string') throw rejected('An image needs its url.', `${path}.image_url`)
    return [{ type: 'image', source: imageSource(image, path), ...marked(part) }]
  }
  throw rejected(`This model takes no parts of type ${String(part.type).slice(0, 64)}.`, `${path}.type`)
}

function imageSource(url: string, path: string): Fields {
  const data = /^data:(image\/(?:jpeg|png|gif|webp));base64,(.+)$/s.exec(url)
  if (data) return { type: 'base64', media_type: data[1], data: data[2] }
  if (/^https?:/.test(url)) return { type: 'url', url }
  throw rejected('An image is a URL, or base64 of a JPEG, PNG, GIF or WebP.', `${path}.image_url.url`)
}

function toolUse(call: Fields, path: string): Fields {
  const named = isFields(call.function) ? call.function : {}
  const text = String(named.arguments ?? '')
  let input: unknown
  try {
    input = text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    // Answered below.
  }
  if (!isFields(input)) throw rejected('Arguments of a call must be a JSON object.', `${path}.function.arguments`)
  return { type: 'tool_use', id: String(call.id ?? ''), name: String(named.name ?? ''), input, ...marked(call) }
}

function toolsOf(body: ChatRequest): Fields {
  const tools = listOfFields(body.tools).flatMap((tool) => {
    const named = isFields(tool.function) ? tool.function : undefined
    if (!named) return []
    const { name, description, parameters } = named
    return [
      {
        name,
        ...(typeof description === 'string' ? { description } : {}),
        input_schema: isFields(parameters) ? parameters : { type: 'object', properties: {} },
        ...marked(tool),
      },
    ]
  })
  if (tools.length === 0) return {}
  const choice = toolChoice(body.tool_choice)
  const alone = body.parallel_tool_calls === false && choice.type !== 'none'
  return { tools, tool_choice: { ...choice, ...(alone ? { disable_parallel_tool_use: true } : {}) } }
}

function toolChoice(choice: unknown): Fields {
  if (choice === 'required') return { type: 'any' }
  if (choice === 'none') return { type: 'none' }
  const named = isFields(choice) && isFields(choice.function) ? choice.function.name : undefined
  return named === undefined ? { type: 'auto' } : { type: 'tool', name: named }
}

/** Anthropic's effort goes further than OpenAI's words; `minimal` is its least. */
const EFFORTS: Readonly<Record<string, string>> = { minimal: 'low', low: 'low', medium: 'medium', high: 'high' }

function outputConfig(body: ChatRequest): Fields {
  const effort = typeof body.reasoning_effort === 'string' ? EFFORTS[body.reasoning_effort] : undefined
  const asked = isFields(body.response_format) ? body.response_format : {}
  const named = asked.type === 'json_schema' && isFields(asked.json_schema) ? asked.json_schema : undefined
  const format = isFields(named?.schema) ? { type: 'json_schema', schema: named.schema } : undefined
  if (!effort && !format) return {}
  return { output_config: { ...(effort ? { effort } : {}), ...(format ? { format } : {}) } }
}

function marked({ cache_control }: Fields): Fields {
  return isFields(cache_control) ? { cache_control } : {}
}

function rejected(message: string, param: string): AppError {
  return new AppError('upstream_rejected', message, { param })
}
