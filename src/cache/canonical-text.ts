/**
 * One text for all spellings of a request that mean the same, and another for every other request. Each value says its kind, and texts
 * their length, so that no two values read alike; quoting them would cost a look at every character.
 */
import type { ModelRequest } from '../chat/ports.ts'
import { FIELD_DECISIONS, isGiven } from './field-decisions.ts'

/** Of what a caller nests; JSON.parse has no bound of its own, and a function that calls itself has. */
const DEPTH_MAX = 64

/** Undefined when the request nests too deep. */
export function canonicalText(request: ModelRequest): string | undefined {
  const decisions = FIELD_DECISIONS[request.kind]
  const body: Readonly<Record<string, unknown>> = request.body
  const fields: { name: string; text: string }[] = []
  try {
    for (const field of Object.keys(body)) {
      const given = body[field]
      // OpenAI's clients send null for "not given".
      if (!isGiven(given)) continue
      const decision = Object.hasOwn(decisions, field) ? decisions[field] : undefined
      if (decision?.counts === false) continue
      const value = decision?.means ? decision.means(given, body) : given
      if (value === undefined) continue
      const text = field === 'messages' ? messagesText(value) : valueText(value, decision?.unorderedLevels ?? 0)
      fields.push({ name: decision?.as ? decision.as(body) : field, text })
    }
  } catch (thrown) {
    if (thrown instanceof TooDeep) return undefined
    throw thrown
  }
  fields.sort((a, b) => (a.name < b.name ? -1 : 1))
  let whole = request.kind
  for (const { name, text } of fields) whole += stringText(name) + text
  return whole
}

class TooDeep extends Error {}

/** A message and the parts of its content are read by name. What else is in it, calls of tools for one, may be shown as it stands. */
function messagesText(messages: unknown): string {
  if (!Array.isArray(messages)) return valueText(messages, 0)
  let text = '['
  for (const message of messages) {
    const keys = Object.keys(message).sort()
    text += '{'
    for (const key of keys) {
      if (message[key] !== undefined) text += stringText(key) + valueText(message[key], key === 'content' ? 2 : 0)
    }
    text += '}'
  }
  return `${text}]`
}

function valueText(value: unknown, unorderedLevels: number, depth = 0): string {
  switch (typeof value) {
    case 'string':
      return stringText(value)
    case 'number':
      // -0 is 0 on the wire.
      return `#${value === 0 ? 0 : value};`
    case 'boolean':
      return value ? 't' : 'f'
    case 'object':
      if (value === null) return 'z'
      if (depth > DEPTH_MAX) throw new TooDeep()
      return Array.isArray(value)
        ? listText(value, unorderedLevels, depth)
        : objectText(value as Record<string, unknown>, unorderedLevels, depth)
    default:
      return 'u'
  }
}

function listText(values: readonly unknown[], unorderedLevels: number, depth: number): string {
  // Token ids, of which there may be a million.
  if (values.length > 16 && values.every(Number.isSafeInteger)) {
    const joined = values.join()
    return `i${joined.length}:${joined}`
  }
  let text = '['
  for (const value of values) text += valueText(value, unorderedLevels, depth + 1)
  return `${text}]`
}

function objectText(fields: Record<string, unknown>, unorderedLevels: number, depth: number): string {
  const keys = Object.keys(fields)
  if (unorderedLevels > 0) keys.sort()
  let text = '{'
  for (const key of keys) {
    const value = fields[key]
    if (value !== undefined) text += stringText(key) + valueText(value, unorderedLevels - 1, depth + 1)
  }
  return `${text}}`
}

function stringText(text: string): string {
  return `"${text.length}:${text}`
}
