/**
 * What a caller sends, as the tenant's rules allow it: the texts of messages, the arguments and results of tool calls, text prompts.
 * Tools' descriptions, schemas and stop strings are the application's own and are not read.
 */
import type { FilteredRequest, ModelRequest } from '../chat/ports.ts'
import type { ChatRequest, Message, TextRequest } from '../contract/chat-completion.ts'
import { AppError } from '../errors.ts'
import type { CompiledRules } from './compile-rules.ts'
import { filterTexts } from './filter-texts.ts'
import { addCounts, flagsOf } from './flags.ts'
import { jsonStream } from './json-stream.ts'
import { mapTexts } from './map-texts.ts'

/** Of a message, beside its content: what models said and are shown again. */
const TEXT_FIELDS = ['refusal', 'reasoning_content', 'reasoning'] as const

export function filterInput(rules: CompiledRules, request: ModelRequest): FilteredRequest {
  const counts = new Uint32Array(rules.rules.length)
  const filter: Filter = {
    texts: (texts, param) => {
      const filtered = filterTexts(rules, texts)
      addCounts(counts, filtered.counts)
      if (filtered.blocked !== undefined) throw blockedInput(rules, filtered.blocked, param)
      return filtered.texts
    },
    json: (text, param) => {
      const stream = jsonStream(rules)
      const filtered = stream.push(text) + stream.end()
      addCounts(counts, stream.counts)
      const blocked = stream.blockedBy()
      if (blocked !== undefined) throw blockedInput(rules, blocked, param)
      return filtered
    },
  }
  const body = request.kind === 'chat' ? filterChat(filter, request.body) : filterText(filter, request.body)
  if (body === request.body) return { request, flags: [] }
  // Sound: the body keeps its kind.
  return { request: { kind: request.kind, body } as ModelRequest, flags: flagsOf(rules, counts, 'input') }
}

/** Both give back what they got where nothing is found, and throw content_blocked. */
type Filter = {
  texts(texts: readonly string[], param: string): readonly string[]
  json(text: string, param: string): string
}

/** Says which rule, never what it found. */
function blockedInput({ rules }: CompiledRules, rule: number, param: string): AppError {
  const name = rules[rule]?.name ?? ''
  return new AppError('content_blocked', `The rule ${name} of the content filter forbids this request.`, {
    param,
    details: { rule: name },
  })
}

function filterText(filter: Filter, body: TextRequest): TextRequest {
  const { prompt } = body
  if (typeof prompt !== 'string' && typeof prompt[0] !== 'string') {
    throw new AppError(
      'invalid_request',
      'prompt must be text: content is filtered here, and token ids cannot be read.',
      {
        param: 'prompt',
      },
    )
  }
  // Sound: a list of prompts has one, and it is text.
  const texts = typeof prompt === 'string' ? [prompt] : (prompt as string[])
  const filtered = filter.texts(texts, 'prompt')
  const suffix = typeof body.suffix === 'string' ? filter.texts([body.suffix], 'suffix')[0] : body.suffix
  if (filtered === texts && suffix === body.suffix) return body
  const same = typeof prompt === 'string' ? (filtered[0] ?? '') : [...filtered]
  return { ...body, prompt: same, ...(suffix === body.suffix ? {} : { suffix }) }
}

function filterChat(filter: Filter, body: ChatRequest): ChatRequest {
  const messages = mapped(body.messages, (message) => filterMessage(filter, message))
  return messages === body.messages ? body : { ...body, messages }
}

function filterMessage(filter: Filter, message: Message): Message {
  let filtered = filterContent(filter, message)
  for (const field of TEXT_FIELDS) {
    const text = message[field]
    if (typeof text !== 'string') continue
    const [allowed] = filter.texts([text], 'messages')
    if (allowed !== text) filtered = { ...filtered, [field]: allowed }
  }
  const { tool_calls: calls, function_call: call } = message
  if (Array.isArray(calls)) {
    const allowed = mapped(calls, (each) => filterCall(filter, each, 'function'))
    if (allowed !== calls) filtered = { ...filtered, tool_calls: allowed }
  }
  if (isFields(call)) {
    const allowed = filterCall(filter, { function: call }, 'function').function
    if (allowed !== call) filtered = { ...filtered, function_call: allowed }
  }
  return filtered
}

/** The parts of one message are read as one text: templates put them together. */
function filterContent(filter: Filter, message: Message): Message {
  const texts: string[] = []
  mapTexts(message.content, (text) => {
    texts.push(text)
    return text
  })
  if (texts.length === 0) return message
  const filtered = filter.texts(texts, 'messages')
  if (filtered === texts) return message
  let next = 0
  // Sound: only texts are exchanged.
  return { ...message, content: mapTexts(message.content, () => filtered[next++] ?? '') as Message['content'] }
}

function filterCall(filter: Filter, call: unknown, field: string): Fields {
  if (!isFields(call)) return call as Fields // Sound: whatever it is, it stays as it is.
  const inner = call[field]
  if (!isFields(inner) || typeof inner.arguments !== 'string') return call
  const allowed = filter.json(inner.arguments, 'messages')
  return allowed === inner.arguments ? call : { ...call, [field]: { ...inner, arguments: allowed } }
}

type Fields = { [field: string]: unknown }

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The same list when each item is the same. */
function mapped<Item>(items: Item[], map: (item: Item) => Item): Item[] {
  const results = items.map(map)
  return results.some((result, index) => result !== items[index]) ? results : items
}
