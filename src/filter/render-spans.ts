/** Writes a stretch of a text with what was found in it masked or replaced. The same whatever stretches the text is cut into. */
import type { Span } from './span-scanner.ts'

export type Stretch = {
  /** The original from one offset to another. */
  slice(start: number, end: number): string
  start: number
  end: number
  /** As many `*` as the original has characters. */
  stars(original: string): string
}

/** `spans` may overlap, and begin before the stretch or end behind it. Where a replacement overlaps a mask, the replacement stands. */
export function renderSpans({ slice, start, end, stars }: Stretch, spans: readonly Span[]): string {
  const sorted =
    spans.length > 1 ? [...spans].sort((a, b) => a.start - b.start || a.rule - b.rule || b.end - a.end) : spans
  const masks = joined(sorted.filter(({ text }) => text === undefined))
  const replacements = joined(sorted.filter(({ text }) => text !== undefined))
  let written = ''
  let mask = 0
  let replacement = 0
  for (let at = start; at < end; ) {
    while ((masks[mask]?.end ?? end) <= at) mask += 1
    while ((replacements[replacement]?.end ?? end) <= at) replacement += 1
    const replaced = replacements[replacement]
    if (replaced && replaced.start <= at) {
      // Its text stands for all of it, and is written when its beginning is.
      if (replaced.start === at) written += replaced.text
      at = Math.min(replaced.end, end)
      continue
    }
    const until = Math.min(replaced?.start ?? end, end)
    const masked = masks[mask]
    const isMasked = masked !== undefined && masked.start <= at
    const to = Math.min(isMasked ? masked.end : (masked?.start ?? until), until)
    written += isMasked ? stars(slice(at, to)) : slice(at, to)
    at = to
  }
  return written
}

/** Overlapping ones become one, which has the text of the first. */
function joined(sorted: readonly Span[]): Span[] {
  const apart: Span[] = []
  for (const span of sorted) {
    const last = apart.at(-1)
    if (last && span.start < last.end) last.end = Math.max(last.end, span.end)
    else apart.push({ ...span })
  }
  return apart
}

/** One for each code point. */
export function starsOf(text: string): string {
  let points = text.length
  for (let index = 1; index < text.length; index++) {
    if (isLow(text.charCodeAt(index)) && isHigh(text.charCodeAt(index - 1))) points -= 1
  }
  return '*'.repeat(points)
}

export function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
