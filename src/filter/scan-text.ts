/** What rules find in a whole text, and the text as they allow it. */
import type { CompiledRules } from './compile-rules.ts'
import { renderSpans, starsOf } from './render-spans.ts'
import { type Span, SpanScanner } from './span-scanner.ts'

/** A scanner remembers a block's symbols, 13 bytes each. */
const BLOCK = 8_192

/** One for all whole texts of a tenant: each is over before the next begins, and a scanner costs more than a short text. */
const scanners = new WeakMap<CompiledRules, SpanScanner>()

export type Scan = { spans: readonly Span[]; counts: Uint32Array; blocked: Span | undefined }

export function scanText(rules: CompiledRules, text: string): Scan {
  const scanner = scanners.get(rules) ?? new SpanScanner(rules)
  scanners.set(rules, scanner)
  scanner.restart()
  for (let at = 0; at < text.length; ) {
    at = scanner.read(text, at, Math.min(at + BLOCK, text.length), 0)
    scanner.settle()
  }
  scanner.break()
  const { spans, blocked } = scanner
  return { spans, blocked, counts: scanner.counts.slice() }
}

/** The same text when there are no spans. */
export function withSpans(text: string, spans: readonly Span[]): string {
  if (spans.length === 0) return text
  return renderSpans(
    { slice: (start, end) => text.slice(start, end), start: 0, end: text.length, stars: starsOf },
    spans,
  )
}
