/** Rules as a tenant writes them, made ready for scanning: words in an automaton, detectors by the characters that they begin with. */
import type { FilterRule, FilterRules } from '../contract/filter-rules.ts'
import { type Automaton, buildAutomaton, type Pattern } from './automaton.ts'
import { card } from './detectors/card.ts'
import { chineseId } from './detectors/chinese-id.ts'
import type { Detector } from './detectors/detector.ts'
import { email } from './detectors/email.ts'
import { iban } from './detectors/iban.ts'
import { ip } from './detectors/ip.ts'
import { phone } from './detectors/phone.ts'
import { secret } from './detectors/secret.ts'
import { foldText, LETTER, SPACED } from './fold-text.ts'

/** Where two could begin, the first that finds something has it. */
const DETECTORS: readonly [NonNullable<FilterRule['detect']>[number], Detector][] = [
  ['secret', secret],
  ['email', email],
  ['iban', iban],
  ['card', card],
  ['chinese_id', chineseId],
  ['ip', ip],
  ['phone', phone],
]

export type CompiledRule = { name: string; category: string; action: FilterRule['action'] }

export type CompiledRules = {
  rules: readonly CompiledRule[]
  /** Undefined where no rule has words. */
  automaton: Automaton | undefined
  detectors: readonly { detector: Detector; rule: number }[]
  /** By ASCII character: bits of the detectors that may begin with it. */
  detectorsAt: Uint16Array
  /** First code points of the decomposed patterns' symbols: an open cluster that begins with one may still become a pattern's symbol. */
  composing: ReadonlySet<number>
  /** The longest thing that is looked for, in code points of its longest spelling, without what is invisible. */
  longest: number
}

/** Of those for `input` or for `output`; undefined when there is none. */
export function compileRules(given: FilterRules['rules'], on: 'input' | 'output'): CompiledRules | undefined {
  const chosen = given.filter((rule) => rule.on === 'both' || rule.on === on)
  if (chosen.length === 0) return undefined
  const patterns: Pattern[] = []
  const composing = new Set<number>()
  let longest = 0
  for (const [rule, { words = [], match }] of chosen.entries()) {
    for (const word of words) {
      const { symbols, kinds } = foldText(word.trim())
      if (symbols.length === 0) continue
      patterns.push({ symbols, before: forbidden(match, kinds[0]), after: forbidden(match, kinds.at(-1)), rule })
      longest = Math.max(longest, addComposing(symbols, composing))
    }
  }
  const detectors = DETECTORS.flatMap(([name, detector]) => {
    const rule = chosen.findIndex(({ detect }) => detect?.includes(name))
    return rule < 0 ? [] : [{ detector, rule }]
  })
  const detectorsAt = Uint16Array.from({ length: 128 }, (_, character) =>
    detectors.reduce(
      (bits, { detector }, index) => bits | (detector.starts.includes(String.fromCharCode(character)) ? 1 << index : 0),
      0,
    ),
  )
  return {
    rules: chosen.map(({ name, category, action }) => ({ name, category: category ?? name, action })),
    automaton: patterns.length > 0 ? buildAutomaton(patterns) : undefined,
    detectors,
    detectorsAt,
    composing,
    longest: Math.max(longest, ...detectors.map(({ detector }) => detector.longest)),
  }
}

/** A word that folds to nothing would be everywhere. */
export function isFilterable(word: string): boolean {
  return foldText(word.trim()).symbols.length > 0
}

/** What may not stand beside a word whose outermost symbol is of this kind. */
function forbidden(match: FilterRule['match'], kind = 0): number {
  if (match === 'substring') return 0
  if (match === 'word') return kind & LETTER
  return kind & SPACED
}

/** The length of the pattern decomposed; collects what its composed symbols begin with. */
function addComposing(symbols: readonly number[], composing: Set<number>): number {
  let length = 0
  for (const symbol of symbols) {
    if (symbol < 0x80) {
      length += 1
      continue
    }
    const points = [...String.fromCodePoint(symbol).normalize('NFKD')]
    length += points.length
    if (points.length > 1) composing.add(points[0]?.codePointAt(0) ?? 0)
  }
  return length
}
