/**
 * Writes a grammar in xgrammar's EBNF, rule by rule, and never more than a bound: schemas come from strangers, and what is written here is
 * compiled. Equal rules are written once. Text that is put into a grammar goes through `literal` or `characters`, which escape it.
 */

/** A schema that cannot be followed exactly; `path` is where, as in `#/properties/age`. */
export class SchemaError extends Error {
  readonly path: string

  constructor(path: string, message: string) {
    super(message)
    this.path = path
  }
}

/** UTF-16 code units: about four times the largest tool list that we saw. Compiling takes about 1 s per million. */
export const GRAMMAR_CHARS_MAX = 400_000

export type GrammarWriter = {
  /** Adds a rule and returns its name; the same body gets the same name. */
  rule(body: string): string
  /** A name to be used before its body is known, for what contains itself. */
  reserve(): { name: string; define(body: string): void }
  /** The grammar, which begins at `start`. */
  finish(start: string): string
}

/** @throws SchemaError when the grammar becomes too large, from `rule` and `define` */
export function createGrammarWriter(): GrammarWriter {
  const names = new Map<string, string>()
  const lines: string[] = []
  let chars = 0
  let reserved = 0

  function add(name: string, body: string) {
    const line = `${name} ::= ${body}`
    chars += line.length
    if (chars > GRAMMAR_CHARS_MAX) throw new SchemaError('#', 'the schema is too large to be followed')
    lines.push(line)
  }

  return {
    rule(body) {
      const known = names.get(body)
      if (known !== undefined) return known
      const name = `r${names.size}`
      names.set(body, name)
      add(name, body)
      return name
    },
    reserve() {
      const name = `s${reserved++}`
      return { name, define: (body) => add(name, body) }
    },
    finish: (start) => [`root ::= ${start}`, ...lines, ''].join('\n'),
  }
}

/** Ranges of code points, first and last included. */
export type Ranges = readonly (readonly [first: number, last: number])[]

/** The text itself, as EBNF. */
export const literal = (text: string): string => (text === '' ? '""' : `"${Array.from(text, escaped).join('')}"`)

const ASCII_LAST = 0x7f
/** Characters beyond ASCII that are written one by one. */
const LISTED_MAX = 512
/** U+2028 and U+2029, which patterns take for ends of lines: no answer under a grammar holds them (see grammar-session.ts). */
const LINE_SEPARATORS: Ranges = [[0x2028, 0x2029]]

/**
 * One character of the ranges, as EBNF, or null if there is none. Beyond ASCII xgrammar 0.1.27 knows single characters and "all others", and
 * takes ranges for something else: of what is neither all nor few, only the ASCII part is left, which is a part of what is valid.
 */
export function characters(ranges: Ranges): string | null {
  const ascii = within(ranges, 0, ASCII_LAST)
  const beyond = within(ranges, ASCII_LAST + 1, Number.POSITIVE_INFINITY)
  if (
    subtract(BEYOND_ASCII, beyond).every(
      ([first, last]) => contains(LINE_SEPARATORS, first) && contains(LINE_SEPARATORS, last),
    )
  ) {
    return `[^${subtract([[0, ASCII_LAST]], ascii)
      .map(written)
      .join('')}]`
  }
  const alternatives = ascii.length === 0 ? [] : [`[${ascii.map(written).join('')}]`]
  if (beyond.reduce((sum, [first, last]) => sum + last - first + 1, 0) <= LISTED_MAX) {
    for (const [first, last] of beyond) {
      for (let code = first; code <= last; code++) alternatives.push(`"${codePoint(code)}"`)
    }
  }
  return alternatives.length === 0 ? null : anyOf(alternatives)
}

const written = ([first, last]: readonly [number, number]) =>
  first === last ? codePoint(first) : `${codePoint(first)}-${codePoint(last)}`
const within = (ranges: Ranges, from: number, to: number): Ranges =>
  ranges
    .filter(([first, last]) => first <= to && last >= from)
    .map(([first, last]) => [Math.max(first, from), Math.min(last, to)])

export const contains = (ranges: Ranges, code: number): boolean =>
  ranges.some(([first, last]) => first <= code && code <= last)

/** What of `ranges` is not in `removed`; both sorted. */
export function subtract(ranges: Ranges, removed: Ranges): Ranges {
  return removed.reduce<Ranges>(
    (left, [from, to]) =>
      left.flatMap(([first, last]): [number, number][] => {
        if (to < first || from > last) return [[first, last]]
        const parts: [number, number][] = []
        if (first < from) parts.push([first, from - 1])
        if (last > to) parts.push([to + 1, last])
        return parts
      }),
    ranges,
  )
}

/** All characters that text can hold: no halves of surrogate pairs. */
export const EVERY_CHARACTER: Ranges = [
  [0, 0xd7ff],
  [0xe000, 0x10_ff_ff],
]
const BEYOND_ASCII = subtract(EVERY_CHARACTER, [[0, ASCII_LAST]])

export const anyOf = (alternatives: readonly string[]): string =>
  alternatives.length === 1 ? (alternatives[0] ?? '""') : `(${alternatives.join(' | ')})`

/**
 * One of the texts, as a rule. Written as a tree of their beginnings: of a flat list in which some begin others ("50" and "500"), xgrammar
 * 0.1.27 allows more than is in it.
 */
export function oneOf(writer: GrammarWriter, texts: readonly string[]): string {
  const shared = sharedBeginning(texts)
  const rests = texts.map((text) => text.slice(shared.length))
  if (rests.length === 1 || shared !== '') {
    return rests.every((rest) => rest === '') ? literal(shared) : `${literal(shared)} ${oneOf(writer, rests)}`
  }
  const byFirst = new Map<string, string[]>()
  for (const text of rests) {
    const first = String.fromCodePoint(...[text.codePointAt(0) ?? []].flat())
    const group = byFirst.get(first)
    if (group === undefined) byFirst.set(first, [text])
    else group.push(text)
  }
  return writer.rule(Array.from(byFirst, ([first, group]) => (first === '' ? '""' : oneOf(writer, group))).join(' | '))
}

/** No half of a surrogate pair at its end. */
function sharedBeginning([first = '', ...others]: readonly string[]): string {
  let length = first.length
  for (const other of others) {
    let same = 0
    while (same < length && first[same] === other[same]) same++
    length = same
  }
  const code = first.charCodeAt(length - 1)
  return first.slice(0, code >= 0xd800 && code <= 0xdbff && length < first.length ? length - 1 : length)
}

/** `max` null is no limit. */
export function repeat(atom: string, min: number, max: number | null): string {
  if (max === 0) return '""'
  if (max === null) return min === 0 ? `${atom}*` : min === 1 ? `${atom}+` : `${atom}{${min},}`
  return min === 1 && max === 1 ? atom : `${atom}{${min},${max}}`
}

const PLAIN = /^[A-Za-z0-9 _:,.{}[\]<>/-]$/
const escaped = (character: string) => (PLAIN.test(character) ? character : codePoint(character.codePointAt(0) ?? 0))

function codePoint(code: number): string {
  const hex = code.toString(16)
  return code > 0xffff ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`
}
