/** A text that comes in pieces goes out as rules allow, held back no further than a match could still begin. */
import type { CompiledRules } from './compile-rules.ts'
import { isHigh, renderSpans, starsOf } from './render-spans.ts'
import { SpanScanner } from './span-scanner.ts'

export type PieceStream = {
  /** What may go out now that this piece is known. */
  push(piece: string): string
  /** What is left. */
  end(): string
  /** The rule that forbids the answer; nothing that follows may go out. */
  blockedBy(): number | undefined
  /** Whether what went out is not what came in. */
  changed(): boolean
  counts: Uint32Array
}

export function textStream(rules: CompiledRules): PieceStream {
  const scanner = new SpanScanner(rules)
  let text = ''
  /** The offset of `text` in the whole: everything before it has gone out. */
  let base = 0
  let read = 0
  let changed = false

  function take(settled: number): string {
    const until = scanner.blocked ? Math.min(settled, scanner.blocked.start) : settled
    const taken = text.slice(0, until - base)
    const out =
      scanner.spans.length === 0
        ? taken
        : renderSpans(
            { slice: (start, end) => text.slice(start - base, end - base), start: base, end: until, stars: starsOf },
            scanner.spans,
          )
    if (out !== taken) changed = true
    text = text.slice(until - base)
    base = until
    if (scanner.spans.length > 0) scanner.spans = scanner.spans.filter(({ end }) => end > base)
    return out
  }

  return {
    push(piece) {
      text = text === '' ? piece : text + piece
      // Half a character waits for its other half.
      const to = isHigh(text.charCodeAt(text.length - 1)) ? text.length - 1 : text.length
      read = base + scanner.read(text, read - base, to, base)
      return take(Math.min(scanner.settle(), read))
    },
    end() {
      scanner.read(text, read - base, text.length, base)
      scanner.break()
      return take(base + text.length)
    },
    blockedBy: () => scanner.blocked?.rule,
    changed: () => changed,
    counts: scanner.counts,
  }
}
