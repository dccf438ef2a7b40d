/** What pieces of prompts were encoded to, those asked for last: the turns of a conversation come again with each later one. */
export type EncodedPieces = {
  get(piece: string): readonly number[] | undefined
  set(piece: string, ids: readonly number[]): void
}

/** What an entry takes beside its characters, in characters. */
const ENTRY_CHARS = 64

/** A part of a string keeps all of it in memory; what is parsed is a string of its own. */
const ownCopy = (piece: string): string => JSON.parse(JSON.stringify(piece))

/** @param charsMax of all pieces together; each takes 2 to 4 bytes with its share of the ids */
export function createEncodedPieces(charsMax: number): EncodedPieces {
  /** The first is the one that was not asked for for longest. */
  const kept = new Map<string, readonly number[]>()
  let chars = 0
  const sizeOf = (piece: string) => piece.length + ENTRY_CHARS

  return {
    get(piece) {
      const ids = kept.get(piece)
      if (ids === undefined) return undefined
      kept.delete(piece)
      kept.set(piece, ids)
      return ids
    },
    set(piece, ids) {
      if (sizeOf(piece) > charsMax) return
      if (!kept.delete(piece)) chars += sizeOf(piece)
      kept.set(ownCopy(piece), ids)
      for (const oldest of kept.keys()) {
        if (chars <= charsMax) return
        kept.delete(oldest)
        chars -= sizeOf(oldest)
      }
    },
  }
}
