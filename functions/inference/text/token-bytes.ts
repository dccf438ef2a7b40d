/** The bytes that each token stands for, in a byte-level BPE vocabulary. */

/**
 * GPT-2's alphabet: every byte is one printable character. Bytes that print are themselves, the other 68 follow from U+0100 in order.
 * Source: bytes_to_unicode in https://github.com/openai/gpt-2/blob/master/src/encoder.py
 */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  (() => {
    const prints = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    let next = 256
    return Array.from({ length: 256 }, (_, byte): [string, number] => [
      String.fromCodePoint(prints(byte) ? byte : next++),
      byte,
    ])
  })(),
)

const CHARACTER_OF_BYTE: readonly string[] = (() => {
  const characters: string[] = []
  for (const [character, byte] of BYTE_OF_CHARACTER) characters[byte] = character
  return characters
})()

const utf8 = new TextEncoder()

export class TokenBytes {
  readonly size: number
  /** No token has more UTF-16 code units than this. */
  readonly longest: number
  readonly #tokens: string[] = []
  readonly #added: ReadonlyMap<number, { content: string; special: boolean }>
  /** Filled as tokens occur. */
  readonly #bytes: (Uint8Array | undefined)[] = []

  constructor(vocab: Record<string, number>, added: readonly { id: number; content: string; special: boolean }[]) {
    for (const [token, id] of Object.entries(vocab)) this.#tokens[id] = token
    this.#added = new Map(added.map((token) => [token.id, token]))
    this.size = this.#tokens.length
    // A character of the byte alphabet is a byte; other tokens stand for their own text, and what counts is its code units.
    this.longest = this.#tokens.reduce((longest, token) => Math.max(longest, token.length), 1)
  }

  /** Added tokens are whole texts: no character reaches across one. */
  isAdded(id: number): boolean {
    return this.#added.has(id)
  }

  isSpecial(id: number): boolean {
    return this.#added.get(id)?.special === true
  }

  /** The same bytes as one character each of GPT-2's alphabet. */
  asByteCharacters(id: number): string {
    return Array.from(this.of(id), (byte) => CHARACTER_OF_BYTE[byte] ?? '').join('')
  }

  /** Empty for an id outside the vocabulary. */
  of(id: number): Uint8Array {
    const known = this.#bytes[id]
    if (known) return known
    const token = this.#tokens[id] ?? ''
    const added = this.#added.get(id)
    const bytes = added ? utf8.encode(added.content) : bytesOf(token)
    this.#bytes[id] = bytes
    return bytes
  }
}

/** A vocabulary may hold a few tokens that are not in the byte alphabet; they stand for their own text. */
function bytesOf(token: string): Uint8Array {
  const bytes: number[] = []
  for (const character of token) {
    const byte = BYTE_OF_CHARACTER.get(character)
    if (byte === undefined) return utf8.encode(token)
    bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}
