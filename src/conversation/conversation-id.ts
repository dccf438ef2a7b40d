/** Names that nobody can guess: base62, from the platform's secure generator. */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The largest multiple of 62 that a byte holds. Bytes from here on are thrown away: a remainder would favour some digits. */
const FAIR_BYTES = 248

/** 62^32 is 190 bits. */
const CONVERSATION_DIGITS = 32

type FillRandom = (bytes: Uint8Array) => void

/** `conv_` and 32 digits, as CONVERSATION_ID of the contract says. */
export function newConversationId(fillRandom: FillRandom = fillSecurely): string {
  return `conv_${base62(CONVERSATION_DIGITS, fillRandom)}`
}

/** `item_` and 32 digits. */
export function newItemId(fillRandom: FillRandom = fillSecurely): string {
  return `item_${base62(CONVERSATION_DIGITS, fillRandom)}`
}

function base62(digits: number, fillRandom: FillRandom): string {
  const bytes = new Uint8Array(digits + 8)
  let text = ''
  while (text.length < digits) {
    fillRandom(bytes)
    for (const byte of bytes) {
      if (byte < FAIR_BYTES && text.length < digits) text += ALPHABET[byte % ALPHABET.length]
    }
  }
  return text
}

function fillSecurely(bytes: Uint8Array): void {
  crypto.getRandomValues(bytes)
}
