/**
 * Joins a continuation in words to the text that the caller has: what it says again is left out, and where it says nothing again, two
 * words do not grow together. Holds back only what may still turn out to be a repetition: that much the caller has already.
 */

export type OverlapTrimmer = {
  /** The part of this text that may be sent now. */
  push(piece: string): string
  /** What was held back. */
  end(): string
  /** UTF-16 code units that were left out; undefined while that is open. */
  left(): number | undefined
}

/** Of the end of the answer, where a repetition may begin. */
export const OVERLAP_CHARS_MAX = 2_000

/** A repetition that begins inside a word must be this long: many words begin as others end. */
const MID_WORD_CHARS_MIN = 12

/** @param text what the caller has */
export function overlapTrimmer(text: string): OverlapTrimmer {
  const tail = text.slice(-OVERLAP_CHARS_MAX)
  const folded = fold(tail)
  const places = Array.from({ length: tail.length }, (_, place) => place).filter((place) => mayBegin(tail, place))
  let held = ''
  let isDecided = false
  let left = 0

  function decide(): string {
    isDecided = true
    left = longestRepetition()
    const rest = held.slice(left)
    held = ''
    return left === 0 && growsTogether(tail, rest) ? ` ${rest}` : rest
  }

  /** As the model began, and without the white space that it began with. */
  function beginnings(): { skipped: number; said: string }[] {
    const said = fold(held)
    const skipped = said.length - said.trimStart().length
    return skipped === 0
      ? [{ skipped, said }]
      : [
          { skipped: 0, said },
          { skipped, said: said.slice(skipped) },
        ]
  }

  /** Whether what was held may be the start of a repetition that goes on. */
  function isOpen(): boolean {
    return beginnings().some(
      ({ said }) =>
        said.trimStart() === '' ||
        places.some((place) => said.length < tail.length - place && folded.startsWith(said, place)),
    )
  }

  function longestRepetition(): number {
    let longest = 0
    for (const { skipped, said } of beginnings()) {
      const place = places.find((start) => said.startsWith(folded.slice(start)))
      if (place !== undefined) longest = Math.max(longest, skipped + tail.length - place)
    }
    return longest
  }

  return {
    push(piece) {
      if (isDecided) return piece
      held += piece
      return isOpen() ? '' : decide()
    },
    end: () => (isDecided ? '' : decide()),
    left: () => (isDecided ? left : undefined),
  }
}

/** Models begin a turn with a capital letter. Some letters have another length in lower case: then as it is. */
function fold(text: string): string {
  const lower = text.toLowerCase()
  return lower.length === text.length ? lower : text
}

function mayBegin(tail: string, place: number): boolean {
  if (tail.length - place >= MID_WORD_CHARS_MIN) return true
  if (place === 0) return true
  const before = tail.charAt(place - 1)
  const first = tail.charAt(place)
  // Where words are not set apart every character may begin one.
  return !(WORD.test(before) && WORD.test(first)) && !/\s/.test(first)
}

/** Letters and digits of scripts that set words apart. */
const WORD =
  /(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}])[\p{L}\p{N}\p{M}]/u

function growsTogether(tail: string, rest: string): boolean {
  return WORD.test(rest.charAt(0)) && (WORD.test(tail.charAt(tail.length - 1)) || /[.,;:!?]$/.test(tail))
}
