/**
 * The normal form in which words are compared: compatibility composition (NFKC), case folded, invisible characters gone, look-alikes
 * made Latin. Computed cluster by cluster (a character and the marks on it), for clusters never compose with each other: so each
 * symbol of the folded text belongs to a known stretch of the original.
 */
import { plainLetter } from './look-alikes.ts'

/** Bits of what a symbol is. A letter, digit or mark of a script that separates words by spaces. */
export const SPACED = 1
/** A letter, digit or mark of any script. */
export const LETTER = 2

export type Folded = {
  symbols: readonly number[]
  /** The same places in NFKC alone, case kept: what detectors of e-mail addresses and keys read. */
  plain: readonly number[]
  /** SPACED and LETTER, of each symbol. */
  kinds: readonly number[]
}

/** Default ignorable code points (UAX 44), and strokes through and rings around letters. */
const IGNORED = /^(?:\p{Default_Ignorable_Code_Point}|[\u0334-\u0338]|[\u0488-\u0489]|[\u20D0-\u20F0])$/u
/** Marks, and the letters that Unicode composes with what stands before them: vowels and finals of Hangul, the half-width voice marks. */
const EXTENDING = /^[\p{M}\u1160-\u11FF\uD7B0-\uD7FF\uFF9E\uFF9F\uFFC2-\uFFDC\u314F-\u3163]$/u
const WORD_CHARACTER = /^[\p{L}\p{N}\p{M}]$/u
const UNSPACED =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30FC\u3005]$/u
const SPACE = /^\s$/u

/** The code points of a cluster that count; no orthography has four marks on a letter, and whoever piles up more says nothing by them. */
export const CLUSTER_POINTS_MAX = 6
/** Texts use few different characters; whoever sends all of Unicode makes us forget. */
const REMEMBERED_MAX = 8_192

export type Role = 'starts' | 'extends' | 'ignored'

const roles = new Map<number, Role>()
const folds = new Map<number, Folded>()
const clusters = new Map<string, Folded>()
const kindsOf = new Map<number, number>()

/** Han, the bulk of Chinese text: folds to itself. */
export function isHan(codePoint: number): boolean {
  return (codePoint >= 0x4e00 && codePoint <= 0x9fff) || (codePoint >= 0x3400 && codePoint <= 0x4dbf)
}

export function roleOf(codePoint: number): Role {
  if (codePoint < 0xad || isHan(codePoint)) return 'starts'
  return remembered(roles, codePoint, () => {
    const character = String.fromCodePoint(codePoint)
    if (IGNORED.test(character)) return 'ignored'
    return EXTENDING.test(character) ? 'extends' : 'starts'
  })
}

/** Of a cluster of one code point. */
export function foldPoint(codePoint: number): Folded {
  return remembered(folds, codePoint, () => {
    const character = String.fromCodePoint(codePoint)
    let letters = ''
    for (const part of character.normalize('NFKD')) {
      for (const lower of IGNORED.test(part) ? '' : lowerCase(part)) {
        letters += String.fromCodePoint(plainLetter(lower.codePointAt(0) ?? 0))
      }
    }
    const symbols = symbolsOf(letters.normalize('NFC'))
    return { symbols, plain: plainOf(character.normalize('NFKC'), symbols.length), kinds: symbols.map(kindOf) }
  })
}

/** Of a character and marks. */
export function foldCluster(cluster: string): Folded {
  return remembered(clusters, cluster, () => foldComposed(cluster))
}

/** By way of what is remembered of each of its characters. */
function foldComposed(cluster: string): Folded {
  const composed = cluster.normalize('NFC')
  const first = composed.codePointAt(0) ?? 0
  if (composed.length === (first > 0xffff ? 2 : 1)) return foldPoint(first)
  let letters = ''
  for (const character of composed) letters += String.fromCodePoint(...foldPoint(character.codePointAt(0) ?? 0).symbols)
  const symbols = symbolsOf(letters.normalize('NFC'))
  return { symbols, plain: plainOf(composed, symbols.length), kinds: symbols.map(kindOf) }
}

function symbolsOf(text: string): number[] {
  return Array.from(text, (character) => {
    const codePoint = character.codePointAt(0) ?? 0
    return codePoint === 0x20 || SPACE.test(character) ? 0x20 : codePoint
  })
}

function plainOf(composed: string, length: number): number[] {
  const points = Array.from(composed, (character) => character.codePointAt(0) ?? 0)
  return Array.from({ length }, (_, index) => points[index] ?? 0xfffd)
}

/** By way of upper case: `ß` becomes ss, the dotless and the long letters their usual ones. */
function lowerCase(character: string): string {
  return [...character.toUpperCase()].map((upper) => upper.toLowerCase()).join('')
}

/** Of a folded symbol: SPACED and LETTER. */
export function kindOf(codePoint: number): number {
  return remembered(kindsOf, codePoint, () => {
    const character = String.fromCodePoint(codePoint)
    if (!WORD_CHARACTER.test(character)) return 0
    return UNSPACED.test(character) ? LETTER : LETTER | SPACED
  })
}

/** Each of the first 128 code points is one symbol; a test holds these tables against foldCluster. */
export const ASCII_FOLD = Uint8Array.from({ length: 128 }, (_, code) => {
  if (code >= 9 && code <= 13) return 0x20
  return code >= 0x41 && code <= 0x5a ? code + 32 : code
})
export const ASCII_KIND = ASCII_FOLD.map((symbol) =>
  (symbol >= 0x61 && symbol <= 0x7a) || (symbol >= 0x30 && symbol <= 0x39) ? LETTER | SPACED : 0,
)

/** A whole text, for patterns: what a scanner of the text would see. */
export function foldText(text: string): { symbols: number[]; kinds: number[] } {
  const symbols: number[] = []
  const kinds: number[] = []
  if (isAscii(text)) {
    for (let at = 0; at < text.length; at++) {
      symbols.push(ASCII_FOLD[text.charCodeAt(at)] as number) // Sound: below 128.
      kinds.push(ASCII_KIND[text.charCodeAt(at)] as number)
    }
    return { symbols, kinds }
  }
  let cluster = ''
  let points = 0
  const close = () => {
    if (points === 0) return
    const folded = points === 1 ? foldPoint(cluster.codePointAt(0) ?? 0) : foldCluster(cluster)
    symbols.push(...folded.symbols)
    kinds.push(...folded.kinds)
    points = 0
  }
  for (const character of text) {
    const role = roleOf(character.codePointAt(0) ?? 0)
    if (role === 'ignored') continue
    if (role === 'extends' && points > 0) {
      if (points < CLUSTER_POINTS_MAX) cluster += character
      points += 1
      continue
    }
    close()
    cluster = character
    points = 1
  }
  close()
  return { symbols, kinds }
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false
  return true
}

function remembered<Key, Value>(memory: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = memory.get(key)
  if (known !== undefined) return known
  if (memory.size >= REMEMBERED_MAX) memory.clear()
  const value = make()
  memory.set(key, value)
  return value
}
