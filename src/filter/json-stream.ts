/**
 * The arguments of a tool call, JSON that comes in pieces, go out as rules allow and stay JSON. Strings are read as what they mean, so
 * that `\u0061` hides nothing, and masked in place. A number (or whatever else stands bare) in which something is found becomes a
 * string as a whole, for no number says that it is masked. What is not masked is passed on to the byte.
 */
import type { CompiledRules } from './compile-rules.ts'
import { isHigh, renderSpans, starsOf } from './render-spans.ts'
import { SpanScanner } from './span-scanner.ts'
import type { PieceStream } from './text-stream.ts'

/** UTF-16 code units: no number of use is longer. What is, is no JSON that anyone could keep whole, and masked in place. */
const BARE_MAX = 64
/** `\ud83d\ude00`. */
const ESCAPE_MAX = 12

export function jsonStream(rules: CompiledRules): PieceStream {
  const scanner = new SpanScanner(rules)
  let text = ''
  /** The offset of `text` in the whole: everything before it has gone out. */
  let base = 0
  /** Offset of what is read next. */
  let read = 0
  let where: 'between' | 'string' | 'bare' = 'between'
  /** Where the bare value began; undefined when it is too long to be one. */
  let bareStart: number | undefined
  let changed = false

  /** Reads one step of JSON at `read`; false when more must come first. */
  function step(final: boolean): boolean {
    const at = read - base
    const character = text[at]
    if (character === undefined) return false
    if (where === 'string') return stringStep(at, character, final)
    if (where === 'bare' && isBare(character)) return pointStep(at, final)
    if (where === 'bare') endBare()
    if (isBare(character)) {
      where = 'bare'
      bareStart = read
      return true
    }
    where = character === '"' ? 'string' : 'between'
    read += 1
    return true
  }

  function stringStep(at: number, character: string, final: boolean): boolean {
    if (character === '"') {
      scanner.break()
      where = 'between'
      read += 1
      return true
    }
    if (character !== '\\') return pointStep(at, final)
    const escaped = readEscape(text, at)
    if (escaped === undefined && !final && text.length - at < ESCAPE_MAX) return false
    // What is no escape is what it looks like.
    const { point, length } = escaped ?? { point: 0x5c, length: 1 }
    scanner.point(point, read, read + length)
    read += length
    return true
  }

  function pointStep(at: number, final: boolean): boolean {
    if (!final && at + 1 === text.length && isHigh(text.charCodeAt(at))) return false
    const point = text.codePointAt(at) ?? 0
    const length = point > 0xffff ? 2 : 1
    scanner.point(point, read, read + length)
    read += length
    if (bareStart !== undefined && read - bareStart > BARE_MAX) bareStart = undefined
    return true
  }

  function endBare(): void {
    scanner.break()
    const from = bareStart
    const found = from === undefined ? [] : scanner.spans.filter(({ end }) => end > from)
    const [first] = found
    if (from !== undefined && first) {
      const label = found.find((span) => span.text)?.text ?? starsOf(text.slice(from - base, read - base))
      scanner.spans = scanner.spans.filter((span) => !found.includes(span))
      scanner.spans.push({ start: from, end: read, rule: first.rule, text: JSON.stringify(label) })
    }
    bareStart = undefined
    where = 'between'
  }

  function take(settled: number): string {
    const until = scanner.blocked ? Math.min(settled, scanner.blocked.start) : settled
    const slice = (start: number, end: number) => text.slice(start - base, end - base)
    const taken = slice(base, until)
    const out =
      scanner.spans.length === 0
        ? taken
        : renderSpans({ slice, start: base, end: until, stars: (raw) => starsOf(meaningOf(raw)) }, scanner.spans)
    if (out !== taken) changed = true
    text = text.slice(until - base)
    base = until
    scanner.spans = scanner.spans.filter(({ end }) => end > base)
    return out
  }

  return {
    push(piece) {
      text += piece
      while (step(false));
      return take(Math.min(scanner.settle(), read, bareStart ?? read))
    },
    end() {
      while (step(true));
      if (where === 'bare') endBare()
      scanner.break()
      return take(base + text.length)
    },
    blockedBy: () => scanner.blocked?.rule,
    changed: () => changed,
    counts: scanner.counts,
  }
}

function isBare(character: string): boolean {
  return !'{}[],:" \t\n\r'.includes(character)
}

const SHORT_ESCAPES: Readonly<Record<string, number>> = {
  '"': 0x22,
  '\\': 0x5c,
  '/': 0x2f,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
}

/** Undefined when there is none, or not yet all of it. */
function readEscape(text: string, at: number): { point: number; length: number } | undefined {
  const short = SHORT_ESCAPES[text[at + 1] ?? '']
  if (short !== undefined) return { point: short, length: 2 }
  const unit = unitAt(text, at)
  if (unit === undefined) return undefined
  if (!isHigh(unit)) return { point: unit, length: 6 }
  const low = unitAt(text, at + 6)
  if (low !== undefined && low >= 0xdc00 && low <= 0xdfff) {
    return { point: 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00), length: 12 }
  }
  // Its other half may still come.
  return text.length < at + ESCAPE_MAX && couldBeEscape(text.slice(at + 6)) ? undefined : { point: unit, length: 6 }
}

function unitAt(text: string, at: number): number | undefined {
  const digits = text.slice(at + 2, at + 6)
  return text[at] === '\\' && text[at + 1] === 'u' && /^[0-9a-fA-F]{4}$/.test(digits)
    ? Number.parseInt(digits, 16)
    : undefined
}

function couldBeEscape(text: string): boolean {
  return /^(\\(u[0-9a-fA-F]{0,4})?)?$/.test(text)
}

/** The inside of a string of JSON as what it means. */
function meaningOf(raw: string): string {
  if (!raw.includes('\\')) return raw
  let meaning = ''
  for (let at = 0; at < raw.length; ) {
    const escaped = raw[at] === '\\' ? readEscape(raw, at) : undefined
    meaning += escaped ? String.fromCodePoint(escaped.point) : raw[at]
    at += escaped?.length ?? 1
  }
  return meaning
}
