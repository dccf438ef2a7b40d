/** Strings with a pattern, a format or a length as a grammar. */
import { anyOf, EVERY_CHARACTER, type GrammarWriter, repeat, SchemaError } from './grammar-writer.ts'
import { stringCharacter } from './json-text.ts'
import { type Pattern, parsePattern } from './parse-pattern.ts'

/** Characters; null is no limit. */
export type Lengths = { min: number; max: number | null }

/**
 * Formats as patterns, each a subset of what its RFC allows: dates have days 1 to 28, so that every one of them exists, and names of hosts
 * have two or three labels. Formats that are not here are refused: who asks for one relies on it.
 */
const FORMATS: Record<string, string> = (() => {
  const date = '(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])'
  const time = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,3})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])'
  const label = '[a-z]([a-z0-9-]{0,14}[a-z0-9])?'
  const host = `(${label}\\.){1,2}[a-z]{2,6}`
  const byte = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
  const hex = '[0-9a-f]'
  return {
    date: `^${date}$`,
    time: `^${time}$`,
    'date-time': `^${date}T${time}$`,
    duration: '^P([1-9][0-9]?D|T[1-9][0-9]?H|T[1-9][0-9]?M|[1-9][0-9]?W|[1-9]Y)$',
    email: `^[a-z0-9]([a-z0-9_-]{0,15}[a-z0-9])?(\\.[a-z0-9]{1,16})?@${host}$`,
    hostname: `^${host}$`,
    ipv4: `^(${byte}\\.){3}${byte}$`,
    ipv6: `^(${hex}{1,4}:){7}${hex}{1,4}$`,
    uuid: `^${hex}{8}-${hex}{4}-4${hex}{3}-[89ab]${hex}{3}-${hex}{12}$`,
    uri: `^https?://${host}(/[A-Za-z0-9_-]{1,24}){0,4}/?$`,
  }
})()
export const FORMAT_NAMES = Object.keys(FORMATS)

/** @throws SchemaError */
export function formatString(writer: GrammarWriter, format: string, lengths: Lengths, path: string): string {
  const pattern = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined
  if (pattern !== undefined) return patternString(writer, pattern, lengths, path)
  throw new SchemaError(path, `the format ${format} is not known; those that are: ${FORMAT_NAMES.join(', ')}`)
}

/** A string of the value that the pattern finds something in. @throws SchemaError */
export function patternString(writer: GrammarWriter, source: string, lengths: Lengths, path: string): string {
  const anchored = anchor(parsePattern(source, path), source, path)
  const fitted = fit(anchored, lengths)
  if (fitted === null) {
    throw new SchemaError(path, `the pattern ${source} cannot be followed together with minLength or maxLength`)
  }
  return writer.rule(`"\\"" ${write(writer, fitted)} "\\""`)
}

/** Characters before what an unanchored pattern asks for: without a limit a model would never come to it. Each costs 20 ms to compile. */
const PREFIX_MAX = 12

function write(writer: GrammarWriter, pattern: Pattern): string {
  if (pattern.type === 'characters') return stringCharacter(writer, pattern.ranges)
  if (pattern.type === 'repeat') return repeat(writer.rule(write(writer, pattern.part)), pattern.min, pattern.max)
  if (pattern.type === 'start' || pattern.type === 'end') return '""'
  if (pattern.parts.length === 0) return '""'
  const parts = pattern.parts.map((part) => write(writer, part))
  return pattern.type === 'choice' ? anyOf(parts) : `(${parts.join(' ')})`
}

/** What a pattern without `^` or `$` leaves open, it may begin or end with anything. Anchors elsewhere are refused. */
function anchor(pattern: Pattern, source: string, path: string): Pattern {
  const alternatives = pattern.type === 'choice' ? pattern.parts : [pattern]
  const some = (max: number | null): Pattern => {
    return { type: 'repeat', part: { type: 'characters', ranges: EVERY_CHARACTER }, min: 0, max }
  }
  const parts = alternatives.map((alternative): Pattern => {
    const inner = alternative.type === 'sequence' ? [...alternative.parts] : [alternative]
    const hasStart = inner[0]?.type === 'start'
    if (hasStart) inner.shift()
    const hasEnd = inner.at(-1)?.type === 'end'
    if (hasEnd) inner.pop()
    if (inner.some(holdsAnchor)) {
      throw new SchemaError(path, `the pattern ${source} cannot be followed: ^ and $ may stand at its ends only`)
    }
    return {
      type: 'sequence',
      parts: [...(hasStart ? [] : [some(PREFIX_MAX)]), ...inner, ...(hasEnd ? [] : [some(null)])],
    }
  })
  return parts.length === 1 && parts[0] ? parts[0] : { type: 'choice', parts }
}

function holdsAnchor(pattern: Pattern): boolean {
  if (pattern.type === 'start' || pattern.type === 'end') return true
  if (pattern.type === 'repeat') return holdsAnchor(pattern.part)
  return pattern.type !== 'characters' && pattern.parts.some(holdsAnchor)
}

/** How long the texts of a pattern are. */
function lengthsOf(pattern: Pattern): Lengths {
  if (pattern.type === 'characters') return { min: 1, max: 1 }
  if (pattern.type === 'start' || pattern.type === 'end') return { min: 0, max: 0 }
  if (pattern.type === 'repeat') {
    const { min, max } = lengthsOf(pattern.part)
    const isEndless = max === null || (pattern.max === null && max > 0)
    return { min: min * pattern.min, max: isEndless ? null : max * (pattern.max ?? 0) }
  }
  const inner = pattern.parts.map(lengthsOf)
  const isEndless = inner.some(({ max }) => max === null)
  if (pattern.type === 'choice') {
    const max = isEndless ? null : Math.max(...inner.map((length) => length.max ?? 0))
    return { min: Math.min(...inner.map(({ min }) => min)), max }
  }
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
  return { min: sum(inner.map(({ min }) => min)), max: isEndless ? null : sum(inner.map(({ max }) => max ?? 0)) }
}

/**
 * The part of the pattern whose texts have a length within the limits, which may be less than all of them: of a sequence only the counts of
 * one repetition of single characters are changed, the others being at their least. Null where that does not do.
 */
function fit(pattern: Pattern, lengths: Lengths): Pattern | null {
  const own = lengthsOf(pattern)
  const isWithin = (length: Lengths) =>
    length.min >= lengths.min && (lengths.max === null || (length.max !== null && length.max <= lengths.max))
  if (isWithin(own)) return pattern
  if (pattern.type === 'choice') {
    const parts = pattern.parts.map((part) => fit(part, lengths)).filter((part) => part !== null)
    return parts.length === 0 ? null : { type: 'choice', parts }
  }
  const parts = pattern.type === 'sequence' ? pattern.parts : [pattern]
  const index = parts.findLastIndex(
    (part) => part.type === 'repeat' && part.part.type === 'characters' && part.max === null,
  )
  const chosen =
    index >= 0 ? index : parts.findLastIndex((part) => part.type === 'repeat' && part.part.type === 'characters')
  const repetition = parts[chosen]
  if (repetition?.type !== 'repeat') return null
  const others = parts.map((part, at): Pattern => (at === chosen ? part : atLeast(part)))
  const rest = lengthsOf({ type: 'sequence', parts: others.filter((_, at) => at !== chosen) })
  if (rest.max === null) return null
  const min = Math.max(repetition.min, lengths.min - rest.min)
  const room = lengths.max === null ? null : lengths.max - rest.max
  const max = room === null || repetition.max === null ? (room ?? repetition.max) : Math.min(room, repetition.max)
  if (max !== null && min > max) return null
  others[chosen] = { ...repetition, min, max }
  return { type: 'sequence', parts: others }
}

/** An endless repetition at its fewest. */
const atLeast = (pattern: Pattern): Pattern =>
  pattern.type === 'repeat' && pattern.max === null ? { ...pattern, max: pattern.min } : pattern
