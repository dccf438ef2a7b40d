/**
 * Token ids to text as they come. A token may end inside a UTF-8 character: its bytes are held back until the character is whole, so that no
 * piece holds half a character, and the pieces together are exactly the text of all ids. The cost of a token does not depend on those before.
 */
import type { TokenBytes } from './token-bytes.ts'

export type Detokenizer = {
  /** The text that this token completes; often a word, sometimes ''. */
  push(id: number): string
  /** What is left at the end: '' or U+FFFD for a character that never became whole. The detokenizer may then be used for another text. */
  end(): string
}

/** Special tokens give no text unless `keepSpecialTokens`; either way they end a character that was begun. */
export function createDetokenizer(bytes: TokenBytes, options: { keepSpecialTokens?: boolean } = {}): Detokenizer {
  // The decoder keeps the at most three bytes of a character that is not whole; a byte order mark is text like any other.
  const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
  return {
    push(id) {
      if (!bytes.isAdded(id)) return decoder.decode(bytes.of(id), { stream: true })
      const before = decoder.decode()
      if (bytes.isSpecial(id) && !options.keepSpecialTokens) return before
      return before + decoder.decode(bytes.of(id))
    },
    end: () => decoder.decode(),
  }
}
