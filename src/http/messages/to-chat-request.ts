/**
 * Anthropic's request as OpenAI's, which is what the sequence and every adapter speak. What OpenAI has no place for keeps Anthropic's
 * name on the message or part (`cache_control`, `thinking_blocks`, `thinking`): the anthropic adapter puts it back, others leave it out.
 */
import type { ChatRequest, Message } from '../../contract/chat-completion.ts'
import type { CountTokensRequest, MessageParam, MessagesRequest } from '../../contract/messages.ts'

type Part = { type: string; [field: string]: unknown }
type Block<Role extends MessageParam['role']> = Exclude<
  Extract<MessageParam, { role: Role }>['content'],
  string
>[number]

export function toChatRequest(request: MessagesRequest): ChatRequest {
  const { stream, temperature, top_p, top_k, stop_sequences, metadata } = request
  return {
    ...promptOf(request),
    max_tokens: request.max_tokens,
    ...(stream === true ? { stream: true, stream_options: { include_usage: true } } : {}),
    ...given({ temperature, top_p, top_k, user: metadata?.user_id ?? undefined }),
    ...(stop_sequences && stop_sequences.length > 0 ? { stop: stop_sequences } : {}),
  }
}

/** What of a request is counted. */
export function promptOf(request: CountTokensRequest): ChatRequest {
  const { model, system, messages, tools, tool_choice, thinking } = request
  return {
    model,
    messages: [...systemMessage(system), ...messages.flatMap(chatMessages)],
    ...(tools && tools.length > 0 ? { tools: tools.map(chatTool) } : {}),
    ...(tool_choice ? choiceOf(tool_choice) : {}),
    ...given({ thinking }),
  }
}

function systemMessage(system: CountTokensRequest['system']): Message[] {
  if (system === null || system === undefined || system.length === 0) return []
  return [{ role: 'system', content: typeof system === 'string' ? system : textOrParts(system.map(textPart)) }]
}

/** One of Anthropic's becomes several where it holds tools' results, which are messages of their own. */
function chatMessages(message: MessageParam): Message[] {
  if (message.role === 'assistant') return [assistantMessage(message.content)]
  if (typeof message.content === 'string') return [{ role: 'user', content: message.content }]
  const results: Message[] = []
  const parts: Part[] = []
  for (const block of message.content) {
    if (block.type === 'tool_result') results.push(...toolMessages(block))
    else parts.push(block.type === 'text' ? textPart(block) : imagePart(block))
  }
  // Results come first: they answer the calls of the message before, and models are trained to see them there.
  return parts.length > 0 ? [...results, { role: 'user', content: textOrParts(parts) }] : results
}

function assistantMessage(content: string | Block<'assistant'>[]): Message {
  if (typeof content === 'string') return { role: 'assistant', content }
  const texts: Part[] = []
  const calls: object[] = []
  const thoughts: object[] = []
  for (const block of content) {
    if (block.type === 'text') texts.push(textPart(block))
    else if (block.type === 'tool_use') {
      const call = { name: block.name, arguments: JSON.stringify(block.input) }
      calls.push({ id: block.id, type: 'function', function: call, ...given({ cache_control: block.cache_control }) })
    } else thoughts.push(block)
  }
  return {
    role: 'assistant',
    content: texts.length > 0 ? textOrParts(texts) : calls.length > 0 ? null : '',
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(thoughts.length > 0 ? { thinking_blocks: thoughts } : {}),
  }
}

/** OpenAI's tool messages hold text. Images go into a user's message right behind, for models that see. */
function toolMessages(block: Extract<Block<'user'>, { type: 'tool_result' }>): Message[] {
  const { tool_use_id, content, is_error, cache_control } = block
  const texts: Part[] = []
  const images: Part[] = []
  for (const part of typeof content === 'string' ? [{ type: 'text' as const, text: content }] : (content ?? [])) {
    if (part.type === 'text') texts.push(textPart(part))
    else images.push(imagePart(part))
  }
  const said = texts.length > 0 ? textOrParts(texts) : ''
  const result: Message = {
    role: 'tool',
    tool_call_id: tool_use_id,
    content: said,
    ...(is_error ? { is_error } : {}),
    ...given({ cache_control }),
  }
  return images.length > 0 ? [result, { role: 'user', content: images }] : [result]
}

function textPart(block: { text: string; cache_control?: unknown }): Part {
  return { type: 'text', text: block.text, ...given({ cache_control: block.cache_control }) }
}

function imagePart(block: Extract<Block<'user'>, { type: 'image' }>): Part {
  const { source, cache_control } = block
  const url = source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`
  return { type: 'image_url', image_url: { url }, ...given({ cache_control }) }
}

/** One plain text is sent as text: templates of small models know nothing else. */
function textOrParts(parts: Part[]): string | Part[] {
  const [only] = parts
  const isPlain = parts.length === 1 && only?.type === 'text' && only.cache_control === undefined
  return isPlain ? String(only.text) : parts
}

function chatTool({ name, description, input_schema, cache_control }: NonNullable<MessagesRequest['tools']>[number]) {
  const described = { name, ...given({ description }), parameters: input_schema }
  return { type: 'function', function: described, ...given({ cache_control }) }
}

function choiceOf(choice: NonNullable<MessagesRequest['tool_choice']>): object {
  const named = choice.type === 'tool' ? { type: 'function', function: { name: choice.name } } : CHOICES[choice.type]
  const alone = choice.type !== 'none' && choice.disable_parallel_tool_use === true
  return { tool_choice: named, ...(alone ? { parallel_tool_calls: false } : {}) }
}

const CHOICES = { auto: 'auto', any: 'required', none: 'none' } as const

/** Without what is null or undefined. */
function given<Fields extends object>(fields: Fields): Partial<{ [Name in keyof Fields]: NonNullable<Fields[Name]> }> {
  const entries = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)
  // Sound: only what is neither is left.
  return Object.fromEntries(entries) as Partial<{ [Name in keyof Fields]: NonNullable<Fields[Name]> }>
}
