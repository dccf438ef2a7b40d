/** Texts that a model reads one after the other, each filtered alone, and all of them as one: a word may be cut between them. */

import type { CompiledRules } from './compile-rules.ts'
import { addCounts } from './flags.ts'
import { scanText, withSpans } from './scan-text.ts'
import type { Span } from './span-scanner.ts'

export type FilteredTexts = {
  /** The same list when nothing is found. */
  texts: readonly string[]
  counts: Uint32Array
  /** The rule that blocks them. */
  blocked: number | undefined
}

export function filterTexts(rules: CompiledRules, texts: readonly string[]): FilteredTexts {
  const scans = texts.map((text) => scanText(rules, text))
  const counts = new Uint32Array(rules.rules.length)
  for (const scan of scans) addCounts(counts, scan.counts)
  let blocked = scans.find((scan) => scan.blocked)?.blocked?.rule
  let spans = scans.map((scan) => scan.spans)
  if (texts.length > 1) {
    const across = spansAcross(rules, texts)
    for (const { rule } of across.whole) {
      counts[rule] = (counts[rule] ?? 0) + 1
      if (rules.rules[rule]?.action === 'block') blocked ??= rule
    }
    spans = spans.map((own, index) => [...own, ...(across.byText[index] ?? [])])
  }
  if (spans.every((found) => found.length === 0)) return { texts, counts, blocked }
  return { texts: texts.map((text, index) => withSpans(text, spans[index] ?? [])), counts, blocked }
}

/** What is only found where texts meet: whole, and cut into the texts' own places. */
function spansAcross(rules: CompiledRules, texts: readonly string[]): { whole: Span[]; byText: Span[][] } {
  const starts = texts.map(() => 0)
  let end = 0
  for (const [index, text] of texts.entries()) {
    starts[index] = end
    end += text.length
  }
  const whole = scanText(rules, texts.join('')).spans.filter((span) => firstAbove(starts, span.start) < span.end)
  const byText = texts.map((text, index) => {
    const from = starts[index] ?? 0
    return whole
      .filter((span) => span.start < from + text.length && span.end > from)
      .map((span) => ({
        ...span,
        start: Math.max(span.start - from, 0),
        end: Math.min(span.end - from, text.length),
        // Its replacement stands where it begins.
        text: span.text === undefined || span.start >= from ? span.text : '',
      }))
  })
  return { whole, byText }
}

/** The first of ascending numbers that is larger; Infinity when none is. */
function firstAbove(numbers: readonly number[], number: number): number {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((numbers[middle] ?? 0) > number) high = middle
    else low = middle + 1
  }
  return numbers[low] ?? Number.POSITIVE_INFINITY
}
