/**
 * Joins the pieces of an answer for a caller who waits for the whole of it: what came within a window goes out as one piece. The first goes
 * out at once, for it says that the model has begun.
 */
import type { AnswerPiece } from './answer.ts'

export type GatheredPieces = {
  add(index: number, piece: AnswerPiece): void
  /** Passes on what waits: before whatever else is sent. */
  flush(): void
  /** Drops what waits: nobody will read it. */
  stop(): void
}

/** `pass` is told the choice's index. With 0 milliseconds every piece passes as it comes. */
export function gatheredPieces(windowMs: number, pass: (index: number, piece: AnswerPiece) => void): GatheredPieces {
  const waiting = new Map<number, AnswerPiece>()
  const begun = new Set<number>()
  let timer: NodeJS.Timeout | undefined

  function stop() {
    clearTimeout(timer)
    timer = undefined
    waiting.clear()
  }

  function flush() {
    const pieces = [...waiting]
    stop()
    for (const [index, piece] of pieces) pass(index, piece)
  }

  return {
    add(index, piece) {
      if (windowMs === 0 || !begun.has(index)) {
        begun.add(index)
        return pass(index, piece)
      }
      const before = waiting.get(index)
      waiting.set(index, before ? joined(before, piece) : piece)
      timer ??= setTimeout(flush, windowMs)
    },
    flush,
    stop,
  }
}

function joined(before: AnswerPiece, piece: AnswerPiece): AnswerPiece {
  return {
    text: before.text + piece.text,
    ids: [...before.ids, ...piece.ids],
    logged:
      before.logged === null && piece.logged === null ? null : [...(before.logged ?? []), ...(piece.logged ?? [])],
  }
}
