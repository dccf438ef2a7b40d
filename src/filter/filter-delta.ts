/** What a choice says goes through the filter, field by field: each text is a stream of its own, the arguments of each tool call too. */
import type { CompiledRules } from './compile-rules.ts'
import { addCounts } from './flags.ts'
import { jsonStream } from './json-stream.ts'
import { type PieceStream, textStream } from './text-stream.ts'

export type Fields = { [field: string]: unknown }

export type DeltaFilter = {
  /** The same object when all of it may go out. */
  push(delta: Fields): Fields
  /** The same for a text completion, or any one text. */
  pushText(field: string, text: string): string
  /** What is still held back, as a delta; undefined when nothing is. */
  end(): Fields | undefined
  blockedBy(): number | undefined
  /** Whether anything went out other than it came in. */
  changed(): boolean
  counts(): Uint32Array
}

export function deltaFilter(rules: CompiledRules): DeltaFilter {
  const streams = new Map<string, PieceStream>()
  let dropped = false

  function through(field: string, piece: string, make: typeof textStream): string {
    let stream = streams.get(field)
    if (!stream) {
      stream = make(rules)
      streams.set(field, stream)
    }
    return stream.push(piece)
  }

  /** Of a tool call: the arguments of a function, the input of a custom tool. */
  function pushCall(call: unknown, name: string): unknown {
    if (!isFields(call)) return call
    const filtered = filteredFields(call.function, 'arguments', (text) => through(name, text, jsonStream))
    const custom = filteredFields(call.custom, 'input', (text) => through(`${name}.input`, text, textStream))
    if (filtered === call.function && custom === call.custom) return call
    return { ...call, ...(filtered ? { function: filtered } : {}), ...(custom ? { custom } : {}) }
  }

  function pushField(field: string, value: unknown): unknown {
    if (field === 'role') return value
    if (typeof value === 'string') return through(field, value, textStream)
    if (field === 'tool_calls' && Array.isArray(value)) {
      const calls = value.map((call, index) =>
        pushCall(call, `tool_calls.${isFields(call) ? (call.index ?? index) : index}`),
      )
      return calls.some((call, index) => call !== value[index]) ? calls : value
    }
    if (field === 'function_call') {
      return filteredFields(value, 'arguments', (text) => through(field, text, jsonStream))
    }
    // What we do not know how to read does not pass.
    if (typeof value === 'object' && value !== null) {
      dropped = true
      return undefined
    }
    return value
  }

  return {
    push(delta) {
      let filtered = delta
      for (const field of Object.keys(delta)) {
        const value = pushField(field, delta[field])
        if (value === delta[field]) continue
        if (filtered === delta) filtered = { ...delta }
        if (value === undefined) delete filtered[field]
        else filtered[field] = value
      }
      return filtered
    },
    pushText: (field, text) => through(field, text, textStream),
    end() {
      const rest: Fields = {}
      const calls: Fields[] = []
      for (const [field, stream] of streams) {
        const text = stream.end()
        if (text === '') continue
        const call = /^tool_calls\.(\d+)(\.input)?$/.exec(field)
        if (call)
          calls.push({
            index: Number(call[1]),
            ...(call[2] ? { custom: { input: text } } : { function: { arguments: text } }),
          })
        else rest[field] = field === 'function_call' ? { arguments: text } : text
      }
      if (calls.length > 0) rest.tool_calls = calls
      return Object.keys(rest).length > 0 ? rest : undefined
    },
    blockedBy() {
      for (const stream of streams.values()) {
        const rule = stream.blockedBy()
        if (rule !== undefined) return rule
      }
      return undefined
    },
    changed: () => dropped || [...streams.values()].some((stream) => stream.changed()),
    counts() {
      const total = new Uint32Array(rules.rules.length)
      for (const stream of streams.values()) addCounts(total, stream.counts)
      return total
    },
  }
}

/** With the one text filtered; the same object when it is the same. */
function filteredFields(value: unknown, field: string, filter: (text: string) => string): unknown {
  if (!isFields(value) || typeof value[field] !== 'string') return value
  const allowed = filter(value[field])
  return allowed === value[field] ? value : { ...value, [field]: allowed }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
