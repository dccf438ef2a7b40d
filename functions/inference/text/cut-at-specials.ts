/**
 * Cuts a text before each special token in it. The tokenizer encodes what lies between two of them alone, so the ids of a text are those of
 * its pieces, one behind the other; and a conversation's next prompt has all pieces of this one but the last.
 */
export type Cutter = {
  /** At least one piece; each but the first begins with a special token. */
  text(text: string): string[]
  /** The same cuts in the ids of the text. */
  ids(ids: readonly number[]): number[][]
}

/** @param added all tokens that are found before the text is cut into words, none of which takes blanks beside it along */
export function createCutter(added: readonly { id: number; content: string }[]): Cutter {
  const spellings = added.map(({ content }) => content).filter((content) => content !== '')
  if (spellings.length === 0) return { text: (text) => [text], ids: (ids) => [[...ids]] }
  // Where one begins another, the longer is meant, as the tokenizer finds them.
  const longestFirst = spellings.sort((a, b) => b.length - a.length)
  const pattern = new RegExp(
    longestFirst.map((content) => content.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'),
    'g',
  )
  const begins = new Set(added.map(({ id }) => id))

  function cut<Whole extends { length: number }>(
    whole: Whole,
    places: Iterable<number>,
    slice: (from: number, to: number) => Whole,
  ): Whole[] {
    const pieces: Whole[] = []
    let from = 0
    for (const place of places) {
      if (place > from) pieces.push(slice(from, place))
      from = place
    }
    pieces.push(slice(from, whole.length))
    return pieces
  }
  return {
    text: (text) =>
      cut(
        text,
        [...text.matchAll(pattern)].map(({ index }) => index),
        (from, to) => text.slice(from, to),
      ),
    ids: (ids) =>
      cut(
        [...ids],
        ids.flatMap((id, place) => (begins.has(id) ? [place] : [])),
        (from, to) => ids.slice(from, to),
      ),
  }
}
