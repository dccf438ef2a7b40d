/** What the tokens of a vocabulary do within JSON, made once: how long they make a string, and how fast they bring an answer to its end. */

export type TokenTable = {
  /** Bytes of a token; empty for special tokens, which no grammar allows. */
  bytes(id: number): Uint8Array
  /** Characters that a token adds to the string in which it stands, up to the quote that ends it if there is one. */
  charsInString: Uint16Array
  /** 0: no quote. 1: its quote is its last byte. 2: something follows a quote, so that more than one string is touched. */
  quote: Uint8Array
  /** No token adds more characters. */
  charsMax: number
  /** Ids of tokens that say something, those that bring an answer to its end soonest first. */
  byHaste: Int32Array
  /** Ids of tokens whose bytes can be part of no text that is wanted; see isTextSoFar. */
  broken: number[]
  size: number
}

const NOTHING = new Uint8Array()

export function createTokenTable(size: number, bytesOf: (id: number) => Uint8Array): TokenTable {
  const bytes = Array.from({ length: size }, (_, id) => bytesOf(id))
  const charsInString = new Uint16Array(size)
  const quote = new Uint8Array(size)
  let charsMax = 1
  for (const [id, token] of bytes.entries()) {
    const { chars, quoteAt } = measure(token)
    charsInString[id] = chars
    quote[id] = quoteAt < 0 ? 0 : quoteAt === token.length - 1 ? 1 : 2
    charsMax = Math.max(charsMax, chars)
  }
  const haste = bytes.map(hasteOf)
  const spoken = [...bytes.keys()].filter((id) => bytes[id]?.length !== 0)
  const byHaste = Int32Array.from(spoken.sort((a, b) => (haste[b] ?? 0) - (haste[a] ?? 0) || a - b))
  const broken = [...bytes.keys()].filter((id) => !isTextSoFar(withoutContinuation(bytes[id] ?? NOTHING)))
  return { broken, bytes: (id) => bytes[id] ?? NOTHING, charsInString, quote, charsMax, byHaste, size }
}

/** As if outside an escape. */
function measure(token: Uint8Array): { chars: number; quoteAt: number } {
  let chars = 0
  for (let at = 0; at < token.length; at++) {
    const byte = token[at] ?? 0
    if (byte === 0x22) return { chars, quoteAt: at }
    if ((byte & 0xc0) === 0x80) continue
    chars++
    // What is escaped is no quote, and one character with its backslash.
    if (byte === 0x5c) at += token[at + 1] === 0x75 ? 5 : 1
  }
  return { chars, quoteAt: -1 }
}

const CLOSERS = new Set(Buffer.from('"]}'))
/** By first byte, for tokens that are not closers alone: what follows a value, the shortest values, what opens others, what parts patterns. */
const HASTE_BY_FIRST: Record<string, number> = {
  ...{ ',': 900, ':': 900, n: 450, t: 440, f: 440, '0': 400, '[': 300, '{': 250 },
  ...{ '@': 800, '.': 790, '/': 700, _: 600, '-': 500 },
}

/**
 * Closers first, the more the better; blanks last, since nothing needs them. Where only letters may follow, long tokens: they are of a text
 * that is given, or fill one that has to have a length.
 */
function hasteOf(token: Uint8Array): number {
  if (token.every((byte) => CLOSERS.has(byte))) {
    // Within a string only a quote ends anything.
    const base = token[0] === 0x22 ? 3_000 : 1_000
    return base + 100 * token.filter((byte) => byte !== 0x22).length + token.length
  }
  const first = String.fromCharCode(token[0] ?? 0)
  if (first === ' ' || first === '\n') return 0
  return (HASTE_BY_FIRST[first] ?? 100) + Math.min(token.length, 64)
}

/**
 * Whether bytes are the beginning of UTF-8 text without U+2028 and U+2029. xgrammar takes any byte above 7F for the beginning of a character
 * and does not look at which characters there are; and the two end lines for patterns, but cannot be excluded by a grammar.
 */
export function isTextSoFar(bytes: ArrayLike<number>): boolean {
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++] ?? 0
    if (first < 0x80) continue
    if (first < 0xc2 || first > 0xf4) return false
    let code = first & (first < 0xe0 ? 0x1f : first < 0xf0 ? 0x0f : 0x07)
    const more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3
    for (let count = 1; count <= more; count++, at++) {
      if (at === bytes.length) return true
      const byte = bytes[at] ?? 0
      if ((byte & 0xc0) !== 0x80) return false
      code = (code << 6) | (byte & 0x3f)
      // The second byte decides about what is written too long, about surrogates and about what lies beyond the last character.
      if (count === 1 && more === 2 && (code < 0x20 || (code >= 0x360 && code <= 0x37f))) return false
      if (count === 1 && more === 3 && (code < 0x10 || code > 0x10f)) return false
    }
    if (code === 0x2028 || code === 0x2029) return false
  }
  return true
}

/** The bytes at the end that begin a character and do not complete it. */
export function unfinished(bytes: readonly number[]): number[] {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const first = bytes[bytes.length - length] ?? 0
    if ((first & 0xc0) === 0x80) continue
    const needed = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    return needed > length ? bytes.slice(-length) : []
  }
  return []
}

const withoutContinuation = (bytes: Uint8Array) => {
  const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80)
  return start < 0 ? NOTHING : bytes.subarray(start)
}
