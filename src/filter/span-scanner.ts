/**
 * Finds what rules forbid in a text that comes in pieces, and says up to where nothing more can be found. Knows places and counts, and
 * neither the text nor what becomes of it. Linear in the text: each symbol is one step of the automaton, and each detector reads a
 * bounded way from where it may begin. A class, and one file of four hundred lines: all of it is one state and the loop that changes it.
 */
import { type Automaton, childOf, classOf } from './automaton.ts'
import type { CompiledRules } from './compile-rules.ts'
import { ALPHANUMERIC, isOf, MORE, NONE } from './detectors/detector.ts'
import {
  ASCII_KIND,
  CLUSTER_POINTS_MAX,
  type Folded,
  foldCluster,
  foldPoint,
  isHan,
  LETTER,
  roleOf,
} from './fold-text.ts'

/** Offsets are of the original text, in UTF-16 code units from its very beginning. */
export type Span = {
  start: number
  end: number
  rule: number
  /** What stands there instead; undefined: a `*` for each code point. */
  text: string | undefined
}

type Tail = { goesOn: number; rule: number; start: number; end: number; label: string }

/** Of symbols, to begin with: a piece of a stream has fewer. */
const ROOM = 128

export class SpanScanner {
  readonly #rules: CompiledRules
  /** How often each rule has matched. */
  readonly counts: Uint32Array
  /** Found, in no order. Whoever reads takes away what is done with. */
  spans: Span[] = []
  /** The match of a rule that blocks, the first in the text of those found. */
  blocked: Span | undefined

  // Symbols from the oldest that may still matter to the newest; the one at index 0 is what stands before them, 0 for nothing.
  #plain = new Int32Array(ROOM)
  #kinds = new Uint8Array(ROOM)
  #starts = new Int32Array(ROOM)
  #ends = new Int32Array(ROOM)
  #count = 1
  #state = 0
  /** Matches that wait for what follows them. */
  #waiting: { start: number; end: number; pattern: number }[] = []
  /** Where detectors go on. */
  #detectAt = 1
  /** A detector's find reaches to the last symbol, and what follows may belong to it. */
  #tail: Tail | undefined

  /** The last cluster: marks on it may still come. Empty when there is none. */
  #cluster = ''
  #clusterPoints = 0
  #clusterStart = 0
  #clusterEnd = 0

  constructor(rules: CompiledRules) {
    this.#rules = rules
    this.counts = new Uint32Array(rules.rules.length)
  }

  /** Reads `text` from index `from` to `to` and returns the index after what it read; index 0 is `offset` in the whole. */
  read(text: string, from: number, to: number, offset: number): number {
    let at = from
    while (at < to) {
      // The usual text: a character of ASCII or Han behind which another stands is a cluster of its own.
      if (at + 1 < to && isPlain(text.charCodeAt(at)) && isPlain(text.charCodeAt(at + 1))) {
        if (this.#cluster !== '') this.#closeCluster()
        at = this.#readPlain(text, at, to, offset)
      }
      const point = text.codePointAt(at) ?? 0
      const next = at + (point > 0xffff ? 2 : 1)
      this.point(point, offset + at, offset + next)
      at = next
    }
    return at
  }

  /** One code point that stands there in the original. */
  point(point: number, start: number, end: number): void {
    const role = roleOf(point)
    if (role === 'ignored') return
    if (role === 'extends' && this.#cluster !== '') {
      if (this.#clusterPoints >= CLUSTER_POINTS_MAX) return
      this.#cluster += String.fromCodePoint(point)
      this.#clusterPoints += 1
      this.#clusterEnd = end
      return
    }
    if (this.#cluster !== '') this.#closeCluster()
    this.#cluster = String.fromCodePoint(point)
    this.#clusterPoints = 1
    this.#clusterStart = start
    this.#clusterEnd = end
  }

  /** Nothing before this place has to do with what comes: the end, or the end of a string of JSON. */
  break(): void {
    if (this.#cluster !== '') this.#closeCluster()
    for (const { start, end, pattern } of this.#waiting.splice(0)) this.#foundPattern(pattern, start, end)
    this.#detect(true)
    this.#state = 0
    this.#count = 1
    this.#detectAt = 1
    this.#tail = undefined
    this.#plain[0] = 0
    this.#kinds[0] = 0
  }

  /** As if made anew. */
  restart(): void {
    this.break()
    this.counts.fill(0)
    this.spans = []
    this.blocked = undefined
  }

  /** Where what is undecided begins; Infinity when nothing is. To be asked after a piece; forgets what no longer matters. */
  settle(): number {
    this.#detect(false)
    let hold = this.#cluster === '' ? this.#startOf(this.#state, this.#count) : this.#clusterHold()
    // What is invisible behind a find belongs to it when the find goes on.
    if (this.#tail && this.#cluster === '') hold = Math.min(hold, this.#tail.end)
    for (const { start } of this.#waiting) hold = Math.min(hold, start)
    if (this.#detectAt < this.#count) hold = Math.min(hold, this.#starts[this.#detectAt] as number)
    this.#forget()
    return hold
  }

  /** All but the last of a row of ASCII and Han. Returns the index of the last. The one loop in which the time goes: fields are locals. */
  #readPlain(text: string, from: number, to: number, offset: number): number {
    const { automaton, detectors } = this.#rules
    const skips = automaton !== undefined && detectors.length === 0
    let state = this.#state
    let count = this.#count
    let at = from
    let code = text.charCodeAt(at)
    let following = text.charCodeAt(at + 1)
    for (;;) {
      if (skips && state === 0 && this.#waiting.length === 0) {
        // What no detector reads and no pattern begins with leaves nothing behind but its kind.
        const { asciiNext, rootNext, before } = automaton
        let kind = this.#kinds[count - 1] as number
        for (;;) {
          const child = (code < 128 ? asciiNext[code] : rootNext[classOf(automaton, code)]) as number
          if (child !== 0 && ((before[child] as number) & kind) === 0) break
          kind = code < 128 ? (ASCII_KIND[code] as number) : LETTER
          at += 1
          code = following
          following = at + 1 < to ? text.charCodeAt(at + 1) : NOT_PLAIN
          if (!isPlain(following)) break
        }
        count = 1
        this.#detectAt = 1
        this.#kinds[0] = kind
        if (!isPlain(following)) break
      }
      if (count >= this.#plain.length) this.#grow(count)
      const kind = code < 128 ? (ASCII_KIND[code] as number) : LETTER
      this.#plain[count] = code
      this.#kinds[count] = kind
      this.#starts[count] = offset + at
      this.#ends[count] = offset + at + 1
      if (this.#waiting.length > 0) this.#settleWaiting(kind)
      if (automaton) {
        const found = code < 128 ? (automaton.asciiClass[code] as number) : classOf(automaton, code)
        state = nextState(automaton, state, found, this.#kinds[count - 1] as number)
        count += 1
        if (automaton.output[state] !== 0) {
          this.#state = state
          this.#count = count
          this.#matched(automaton)
        }
      } else count += 1
      at += 1
      code = following
      following = at + 1 < to ? text.charCodeAt(at + 1) : NOT_PLAIN
      if (!isPlain(following)) break
    }
    this.#state = state
    this.#count = count
    return at
  }

  #closeCluster(): void {
    const { symbols, plain, kinds } = this.#foldedCluster()
    const { automaton } = this.#rules
    for (let index = 0; index < symbols.length; index++) {
      const found = automaton ? classOf(automaton, symbols[index] as number) : 0
      this.#symbol(plain[index] as number, found, kinds[index] as number, this.#clusterStart, this.#clusterEnd)
    }
    this.#cluster = ''
  }

  #foldedCluster(): Folded {
    return this.#clusterPoints === 1 ? foldPoint(this.#cluster.codePointAt(0) ?? 0) : foldCluster(this.#cluster)
  }

  #symbol(plain: number, found: number, kind: number, start: number, end: number): void {
    const at = this.#count
    if (at >= this.#plain.length) this.#grow(at)
    this.#plain[at] = plain
    this.#kinds[at] = kind
    this.#starts[at] = start
    this.#ends[at] = end
    if (this.#waiting.length > 0) this.#settleWaiting(kind)
    const { automaton } = this.#rules
    if (automaton) {
      this.#state = nextState(automaton, this.#state, found, this.#kinds[at - 1] as number)
      this.#count = at + 1
      if (automaton.output[this.#state] !== 0) this.#matched(automaton)
    } else this.#count = at + 1
  }

  /** Every pattern that ends at the last symbol. */
  #matched({ output, fail, depth, firstPattern, patterns }: Automaton): void {
    const end = this.#ends[this.#count - 1] as number
    let state = output[this.#state] as number
    while (state !== 0) {
      const first = this.#count - (depth[state] as number)
      for (let index = firstPattern[state] as number; index < (firstPattern[state + 1] as number); index++) {
        const pattern = patterns[index]
        if (!pattern || (pattern.before & (this.#kinds[first - 1] as number)) !== 0) continue
        const start = this.#starts[first] as number
        if (pattern.after === 0) this.#foundPattern(index, start, end)
        else this.#waiting.push({ start, end, pattern: index })
      }
      state = output[fail[state] as number] as number
    }
  }

  #settleWaiting(kind: number): void {
    for (const { start, end, pattern } of this.#waiting) {
      if (((this.#rules.automaton?.patterns[pattern]?.after ?? 0) & kind) === 0) this.#foundPattern(pattern, start, end)
    }
    this.#waiting.length = 0
  }

  #foundPattern(pattern: number, start: number, end: number): void {
    this.#found(this.#rules.automaton?.patterns[pattern]?.rule ?? 0, start, end, '[REDACTED]')
  }

  #found(rule: number, start: number, end: number, label: string): void {
    this.counts[rule] = (this.counts[rule] ?? 0) + 1
    const span = this.#span(rule, start, end, label)
    this.spans.push(span)
    if (this.#rules.rules[rule]?.action === 'block' && !(this.blocked && this.blocked.start <= start)) {
      this.blocked = span
    }
  }

  #span(rule: number, start: number, end: number, label: string): Span {
    return { start, end, rule, text: this.#rules.rules[rule]?.action === 'redact' ? label : undefined }
  }

  #detect(final: boolean): void {
    const { detectors, detectorsAt } = this.#rules
    let at = detectors.length === 0 ? this.#count : this.#detectAt
    const text = { codes: this.#plain, count: this.#count, final }
    scan: while (at < this.#count) {
      const code = this.#plain[at] as number
      if (this.#tail) {
        if (isOf(code, this.#tail.goesOn)) {
          this.#extend(this.#tail, at++)
          continue
        }
        this.#tail = undefined
      }
      const bits = code < 128 ? (detectorsAt[code] as number) : 0
      if (bits !== 0 && !isOf(this.#plain[at - 1] as number, ALPHANUMERIC)) {
        for (let index = 0, left = bits; left !== 0; index++, left >>= 1) {
          const found = (left & 1) === 0 ? undefined : detectors[index]
          if (!found) continue
          const { detector, rule } = found
          const end = detector.scan(text, at)
          if (end === NONE) continue
          if (end === MORE) break scan
          const start = this.#starts[at] as number
          const { label, goesOn } = detector
          const endOffset = this.#ends[end - 1] as number
          this.#found(rule, start, endOffset, label)
          if (goesOn !== undefined) this.#tail = { goesOn, rule, start, end: endOffset, label }
          at = end
          continue scan
        }
      }
      at += 1
    }
    this.#detectAt = at
  }

  /** One more character of what has been found: the same find, with its beginning, so that nothing else begins within it. */
  #extend(tail: Tail, at: number): void {
    const { rule, start, label } = tail
    const end = this.#ends[at] as number
    tail.end = end
    const last = this.spans.at(-1)
    if (last?.rule === rule && last.start === start) last.end = end
    else this.spans.push(this.#span(rule, start, end, label))
  }

  /** Where what the state may become a match of began, when the symbols up to `count` led to it. */
  #startOf(state: number, count: number): number {
    const depth = state === 0 ? 0 : (this.#rules.automaton?.depth[state] as number)
    return depth === 0 ? Number.POSITIVE_INFINITY : (this.#starts[count - depth] as number)
  }

  /** The same when the last cluster is still open: as if it were closed, and as if marks made another symbol of it. */
  #clusterHold(): number {
    const { automaton, composing, detectorsAt } = this.#rules
    const { symbols, plain, kinds } = this.#foldedCluster()
    const at = this.#count
    let hold = Number.POSITIVE_INFINITY
    if (automaton) {
      if (at + symbols.length >= this.#plain.length) this.#grow(at + symbols.length)
      let state = this.#state
      for (const [index, symbol] of symbols.entries()) {
        this.#kinds[at + index] = kinds[index] as number
        this.#starts[at + index] = this.#clusterStart
        state = nextState(automaton, state, classOf(automaton, symbol), this.#kinds[at + index - 1] as number)
        // A match may end with any of them.
        hold = Math.min(hold, this.#startOf(state, at + index + 1))
      }
      if (composing.size > 0 && composing.has(decomposedFirst(symbols[0] ?? 0))) {
        hold = Math.min(hold, this.#startOf(this.#state, at), this.#clusterStart)
      }
    }
    const first = plain[0] ?? 0
    const mayStart = first < 128 && detectorsAt[first] !== 0 && !isOf(this.#plain[at - 1] as number, ALPHANUMERIC)
    if (this.#tail && isOf(first, this.#tail.goesOn)) hold = Math.min(hold, this.#tail.end)
    return mayStart ? Math.min(hold, this.#clusterStart) : hold
  }

  /** Keeps what the automaton's state and the detectors may come back to, and the one before it. */
  #forget(): void {
    const depth = this.#state === 0 ? 0 : (this.#rules.automaton?.depth[this.#state] as number)
    const shift = Math.min(this.#count - depth, this.#detectAt) - 1
    if (shift <= 0) return
    for (const row of [this.#plain, this.#kinds, this.#starts, this.#ends]) row.copyWithin(0, shift, this.#count)
    this.#count -= shift
    this.#detectAt -= shift
  }

  #grow(atLeast: number): void {
    const room = 2 ** Math.ceil(Math.log2(atLeast + 1) + 1)
    const grown = <Row extends Int32Array | Uint8Array>(row: Row, larger: Row): Row => {
      larger.set(row)
      return larger
    }
    this.#plain = grown(this.#plain, new Int32Array(room))
    this.#kinds = grown(this.#kinds, new Uint8Array(room))
    this.#starts = grown(this.#starts, new Int32Array(room))
    this.#ends = grown(this.#ends, new Int32Array(room))
  }
}

/**
 * The longest beginning of a pattern that ends with this symbol and may stand where it does, `kind` being that of what stands before
 * the symbol: what only whole words begin with is not gone into in the middle of a word, which spares most steps in prose.
 */
function nextState(automaton: Automaton, from: number, code: number, kind: number): number {
  if (code === 0) return 0
  for (let state = from; state !== 0; state = automaton.fail[state] as number) {
    const child = childOf(automaton, state, code)
    if (child !== 0) return child
  }
  const child = automaton.rootNext[code] as number
  return ((automaton.before[child] as number) & kind) === 0 ? child : 0
}

/** No character: what ends a row. */
const NOT_PLAIN = 0xffff

function isPlain(unit: number): boolean {
  return unit < 128 || isHan(unit)
}

/** What marks compose with. */
function decomposedFirst(symbol: number): number {
  return symbol < 128 ? symbol : (String.fromCodePoint(symbol).normalize('NFKD').codePointAt(0) ?? 0)
}
