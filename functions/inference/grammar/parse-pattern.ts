/**
 * A regular expression of a schema as a tree, or the reason why it cannot be followed. What no grammar can follow (back-references, looking
 * ahead) or what is rarely meant (word boundaries) is refused.
 */
import { EVERY_CHARACTER, type Ranges, SchemaError, subtract } from './grammar-writer.ts'

export type Pattern =
  | { type: 'characters'; ranges: Ranges }
  | { type: 'sequence'; parts: Pattern[] }
  | { type: 'choice'; parts: Pattern[] }
  /** `max` null is no limit. */
  | { type: 'repeat'; part: Pattern; min: number; max: number | null }
  /** `^` and `$`, which may stand at the ends of the whole or of one of its alternatives. */
  | { type: 'start' }
  | { type: 'end' }

/** A pattern is written out as often as it says. */
const REPEAT_MAX = 1_000
const NESTING_MAX = 32

const DIGIT: Ranges = [[0x30, 0x39]]
const WORD: Ranges = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
/** The white space that anyone writes; what ECMAScript's \s knows beyond it is left out, and so is it from what \S may be. */
const SPACE: Ranges = [
  [0x09, 0x0d],
  [0x20, 0x20],
]
const SPACE_ALL: Ranges = [
  ...SPACE,
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
const LINE_ENDS: Ranges = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
const not = (ranges: Ranges) => subtract(EVERY_CHARACTER, ranges)
const CLASSES: Record<string, Ranges> = {
  d: DIGIT,
  D: not(DIGIT),
  w: WORD,
  W: not(WORD),
  s: SPACE,
  S: not(SPACE_ALL),
}
const CONTROLS: Record<string, number> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b, '0': 0 }

/** @throws SchemaError */
export function parsePattern(source: string, path: string): Pattern {
  const refuse = (why: string): never => {
    throw new SchemaError(path, `the pattern ${source} cannot be followed: ${why}`)
  }
  try {
    new RegExp(source, 'u')
  } catch {
    refuse('it is no regular expression of ECMAScript with the flag u')
  }
  const text = Array.from(source)
  let at = 0
  let nesting = 0
  const peek = () => text[at]
  const take = () => text[at++] ?? ''

  function choice(): Pattern {
    if (++nesting > NESTING_MAX) refuse('it is nested too deeply')
    const parts = [sequence()]
    while (peek() === '|') {
      at++
      parts.push(sequence())
    }
    nesting--
    return parts.length === 1 && parts[0] ? parts[0] : { type: 'choice', parts }
  }

  function sequence(): Pattern {
    const parts: Pattern[] = []
    while (at < text.length && peek() !== '|' && peek() !== ')') parts.push(repeated(atom()))
    return { type: 'sequence', parts }
  }

  function repeated(part: Pattern): Pattern {
    const counts = quantifier()
    if (counts === null) return part
    // Lazy or greedy is the same set of texts.
    if (peek() === '?') at++
    return { type: 'repeat', part, ...counts }
  }

  function quantifier(): { min: number; max: number | null } | null {
    const known = { '*': { min: 0, max: null }, '+': { min: 1, max: null }, '?': { min: 0, max: 1 } }[peek() ?? '']
    if (known) {
      at++
      return known
    }
    const match = /^\{(\d+)(,?)(\d*)\}/.exec(text.slice(at, at + 24).join(''))
    if (match === null) return null
    at += match[0].length
    const min = Number(match[1])
    const max = match[2] === '' ? min : match[3] === '' ? null : Number(match[3])
    if (Math.max(min, max ?? 0) > REPEAT_MAX) refuse(`a part of it repeats more than ${REPEAT_MAX} times`)
    return { min, max }
  }

  function atom(): Pattern {
    const character = take()
    if (character === '^') return { type: 'start' }
    if (character === '$') return { type: 'end' }
    if (character === '.') return { type: 'characters', ranges: not(LINE_ENDS) }
    if (character === '[') return { type: 'characters', ranges: classRanges() }
    if (character === '\\') return { type: 'characters', ranges: escapedClass() }
    if (character !== '(') return one(character)
    if (peek() === '?') group()
    const inner = choice()
    at++
    return inner
  }

  function group() {
    const head = text.slice(at, at + 3).join('')
    if (head.startsWith('?:')) at += 2
    else if (/^\?<[^=!]/.test(head)) at = text.indexOf('>', at) + 1
    else refuse('it looks ahead or behind')
  }

  function escapedClass(): Ranges {
    const letter = take()
    if (Object.hasOwn(CLASSES, letter)) return CLASSES[letter] ?? []
    const control = Object.hasOwn(CONTROLS, letter) ? CONTROLS[letter] : undefined
    if (control !== undefined) return [[control, control]]
    if (letter === 'x') return hex(2)
    if (letter === 'u') return peek() === '{' ? braced() : hex(4)
    if (/[A-Za-z0-9]/.test(letter)) refuse(`it uses \\${letter}`)
    return single(letter)
  }

  function hex(length: number): Ranges {
    const code = Number.parseInt(text.slice(at, at + length).join(''), 16)
    at += length
    if (code >= 0xd800 && code <= 0xdfff) refuse('it names half a surrogate pair')
    return [[code, code]]
  }

  function braced(): Ranges {
    const end = text.indexOf('}', at)
    const code = Number.parseInt(text.slice(at + 1, end).join(''), 16)
    at = end + 1
    return [[code, code]]
  }

  function classRanges(): Ranges {
    const isNegated = peek() === '^'
    if (isNegated) at++
    const ranges: [number, number][] = []
    while (peek() !== ']') {
      const first = classAtom()
      const isRange = peek() === '-' && text[at + 1] !== ']' && first.length === 1 && first[0]?.[0] === first[0]?.[1]
      if (!isRange) {
        for (const [from, to] of first) ranges.push([from, to])
        continue
      }
      at++
      const last = classAtom()
      ranges.push([first[0]?.[0] ?? 0, last[0]?.[1] ?? 0])
    }
    at++
    // Sorted and without surrogates, as all other code expects.
    const wanted = subtract(EVERY_CHARACTER, subtract(EVERY_CHARACTER, sorted(ranges)))
    const result = isNegated ? not(wanted) : wanted
    if (result.length === 0) refuse('a class of it holds no character')
    return result
  }

  function classAtom(): Ranges {
    const character = take()
    if (character !== '\\') return single(character)
    if (peek() === 'b') {
      at++
      return [[8, 8]]
    }
    return escapedClass()
  }

  const parsed = choice()
  if (at < text.length) refuse('it has a bracket too many')
  return parsed
}

const single = (character: string): Ranges => {
  const code = character.codePointAt(0) ?? 0
  return [[code, code]]
}
const one = (character: string): Pattern => ({ type: 'characters', ranges: single(character) })
const sorted = (ranges: [number, number][]): Ranges => ranges.sort(([a], [b]) => a - b)
