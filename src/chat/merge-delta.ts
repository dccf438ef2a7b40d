/**
 * Joins the pieces of a streamed message into the whole, by OpenAI's rule for deltas, so that fields which we do not know survive:
 * text grows, lists whose items carry an `index` merge by it, other lists grow, objects merge, the rest is replaced.
 */
import { type Fields, isFields } from '../contract/fields.ts'

/** A list's `index` above this is not an answer; it would make us allocate for nothing. */
const INDEX_MAX = 1_023

/** These are sent once or repeated whole, never in pieces. */
const NOT_IN_PIECES = new Set(['role', 'type', 'id', 'name', 'index'])

/** Changes `whole`. `piece` is JSON and is not changed, but its parts may end up in `whole`. */
export function mergeDelta(whole: Fields, piece: Fields): void {
  for (const field of Object.keys(piece)) {
    // Assigning it would set the prototype.
    if (field === '__proto__') continue
    const value = piece[field]
    if (value === null || value === undefined) {
      if (!(field in whole)) whole[field] = null
      continue
    }
    whole[field] = merged(field, whole[field], value)
  }
}

function merged(field: string, before: unknown, value: unknown): unknown {
  if (typeof value === 'string') {
    if (typeof before !== 'string' || before === '') return value
    if (NOT_IN_PIECES.has(field)) return value === '' ? before : value
    return before + value
  }
  if (Array.isArray(value)) return mergedList(Array.isArray(before) ? before : [], value)
  if (isFields(value)) {
    const whole = isFields(before) ? before : {}
    mergeDelta(whole, value)
    return whole
  }
  return value
}

function mergedList(whole: unknown[], pieces: readonly unknown[]): unknown[] {
  for (const piece of pieces) {
    const index = isFields(piece) ? piece.index : undefined
    if (!isFields(piece) || typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index > INDEX_MAX) {
      whole.push(piece)
      continue
    }
    const same = whole.find((item) => isFields(item) && item.index === index)
    if (isFields(same)) mergeDelta(same, piece)
    else {
      const copy: Fields = {}
      mergeDelta(copy, piece)
      whole.push(copy)
    }
  }
  return whole
}
