/**
 * Aho and Corasick's automaton over folded symbols, in typed arrays: children of a state are neighbours, found by their class in a
 * compact alphabet; the root has a table of its own. Steps are linear in the text, whatever the patterns. States are numbered breadth
 * first, 0 is the root.
 */
import { ASCII_FOLD, kindOf } from './fold-text.ts'

export type Pattern = {
  symbols: readonly number[]
  /** The bits that may not stand right before and right after a match (SPACED, LETTER; 0: anything may). */
  before: number
  after: number
  /** Index of its rule. */
  rule: number
}

export type Automaton = {
  /** Class of a symbol: pages of 256; 0 stands for all that is in no pattern. */
  page: Uint16Array
  classes: Uint16Array
  /** State after one symbol of that class. */
  rootNext: Int32Array
  /** Class and first state by character of ASCII, in either case. */
  asciiClass: Uint16Array
  asciiNext: Int32Array
  /** Children of s: firstChild[s] up to firstChild[s + 1], their classes ascending in childClass. */
  firstChild: Int32Array
  /** By state: the class that leads to it. */
  childClass: Uint16Array
  /** By state: which of the 31 most frequent classes lead on from it, bit by bit. */
  children: Int32Array
  /** The longest suffix that may begin where it does: what stands before it is part of the state, and so known beforehand. */
  fail: Int32Array
  depth: Uint16Array
  /** Bits that no pattern beneath the state lets stand before it: with one of them there, the state leads nowhere. */
  before: Uint8Array
  /** The nearest state that ends a pattern, the state itself or one along `fail`; 0: none. */
  output: Int32Array
  /** Patterns that end in s: patternOf[firstPattern[s]] up to firstPattern[s + 1]. */
  firstPattern: Int32Array
  patterns: readonly Pattern[]
}

export function buildAutomaton(given: readonly Pattern[]): Automaton {
  const alphabet = alphabetOf(given)
  // Sorted, each state is a stretch of patterns that begin alike.
  const words = given
    .map((pattern) => ({ pattern, text: String.fromCharCode(...pattern.symbols.map((s) => alphabet.classOf(s))) }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
  const texts = words.map(({ text }) => text)
  const most = texts.reduce((sum, text) => sum + text.length, 1)

  const firstChild = new Int32Array(most + 1)
  const firstPattern = new Int32Array(most + 1)
  const childClass = new Uint16Array(most)
  const children = new Int32Array(most)
  const depth = new Uint16Array(most)
  const before = new Uint8Array(most).fill(0xff)
  const parent = new Int32Array(most)
  const low = new Int32Array(most)
  const high = new Int32Array(most)
  const patterns: Pattern[] = []
  high[0] = words.length
  let states = 1
  for (let state = 0; state < states; state++) {
    const length = depth[state] as number // Sound, here and below: indexes are states that exist.
    const end = high[state] as number
    let at = low[state] as number
    firstPattern[state] = patterns.length
    for (; at < end && texts[at]?.length === length; at++) patterns.push((words[at] as (typeof words)[0]).pattern)
    firstChild[state] = states
    while (at < end) {
      const code = (texts[at] as string).charCodeAt(length)
      const from = at
      while (at < end && (texts[at] as string).charCodeAt(length) === code) at += 1
      childClass[states] = code
      if (code < BITS) children[state] = (children[state] as number) | (1 << code)
      depth[states] = length + 1
      parent[states] = state
      low[states] = from
      high[states] = at
      for (let word = from; word < at; word++) {
        before[states] = (before[states] as number) & (words[word]?.pattern.before ?? 0)
      }
      states += 1
    }
  }
  firstChild[states] = states
  firstPattern[states] = patterns.length

  const rootNext = new Int32Array(alphabet.size)
  for (let child = firstChild[0] as number; child < (firstChild[1] as number); child++) {
    rootNext[childClass[child] as number] = child
  }
  const suffix = new Int32Array(states)
  const fail = new Int32Array(states)
  const output = new Int32Array(states)
  const automaton: Automaton = {
    page: alphabet.page,
    classes: alphabet.classes,
    rootNext,
    asciiClass: Uint16Array.from(ASCII_FOLD, (symbol) => alphabet.classOf(symbol)),
    asciiNext: Int32Array.from(ASCII_FOLD, (symbol) => rootNext[alphabet.classOf(symbol)] as number),
    firstChild: firstChild.slice(0, states + 1),
    childClass: childClass.slice(0, states),
    children: children.slice(0, states),
    fail,
    depth: depth.slice(0, states),
    before: before.slice(0, states),
    output,
    firstPattern: firstPattern.slice(0, states + 1),
    patterns,
  }
  for (let state = 1; state < states; state++) {
    const above = parent[state] as number
    // Breadth first: what a shorter state fails to is known.
    if (above !== 0) suffix[state] = step(automaton, suffix, suffix[above] as number, childClass[state] as number)
    const shorter = suffix[state] as number
    const letter = (depth[state] as number) - (depth[shorter] as number) - 1
    const kind =
      shorter === 0 ? 0 : (alphabet.kinds[(texts[low[state] as number] as string).charCodeAt(letter)] as number)
    fail[state] = ((before[shorter] as number) & kind) === 0 ? shorter : (fail[shorter] as number)
    const ends = (firstPattern[state] as number) < (firstPattern[state + 1] as number)
    output[state] = ends ? state : (output[fail[state] as number] as number)
  }
  return automaton
}

/** Goes by suffixes until a child fits. */
function step(automaton: Automaton, suffix: Int32Array, from: number, code: number): number {
  for (let state = from; state !== 0; state = suffix[state] as number) {
    const child = childOf(automaton, state, code)
    if (child !== 0) return child
  }
  return automaton.rootNext[code] as number
}

/** 0: there is none. */
export function childOf({ firstChild, childClass, children }: Automaton, state: number, code: number): number {
  const frequent = children[state] as number
  let low = firstChild[state] as number
  if (code < BITS) {
    const bit = 1 << code
    return (frequent & bit) === 0 ? 0 : low + bitCount(frequent & (bit - 1))
  }
  low += bitCount(frequent)
  let high = (firstChild[state + 1] as number) - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = childClass[middle] as number
    if (found === code) return middle
    if (found < code) low = middle + 1
    else high = middle - 1
  }
  return 0
}

function bitCount(bits: number): number {
  let count = bits - ((bits >>> 1) & 0x55555555)
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333)
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

export function classOf({ page, classes }: Automaton, symbol: number): number {
  return classes[((page[symbol >> 8] as number) << 8) | (symbol & 255)] as number
}

/** Classes that have a bit of their own: a 32-bit number, without its sign and without class 0. */
const BITS = 31
const PAGES = 0x110000 >> 8

/** The most frequent symbols have the smallest classes. */
function alphabetOf(patterns: readonly Pattern[]) {
  const frequency = new Map<number, number>()
  for (const { symbols } of patterns) {
    for (const symbol of symbols) frequency.set(symbol, (frequency.get(symbol) ?? 0) + 1)
  }
  const symbols = [...frequency].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([symbol]) => symbol)
  const page = new Uint16Array(PAGES)
  const used = [...new Set(symbols.map((symbol) => symbol >> 8))]
  for (const [index, number] of used.entries()) page[number] = index + 1
  const classes = new Uint16Array((used.length + 1) << 8)
  for (const [index, symbol] of symbols.entries()) {
    classes[((page[symbol >> 8] as number) << 8) | (symbol & 255)] = index + 1
  }
  const kinds = Uint8Array.from([0, ...symbols.map(kindOf)])
  const classOf = (symbol: number) => classes[((page[symbol >> 8] as number) << 8) | (symbol & 255)] as number
  return { page, classes, size: kinds.length, kinds, classOf }
}
