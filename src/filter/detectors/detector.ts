/** What finds one kind of personal data or secret in plain code points. Reads forward from where it may start, a bounded way, and never back. */

/** There is none here. */
export const NONE = 0
/** What is there may become one: more text must come first. */
export const MORE = -1

/** The plain symbols up to `count`; `final`: no more will come. There is always one before the start of a scan, 0 where the text begins. */
export type Codes = { codes: Int32Array; count: number; final: boolean }

export type Detector = {
  /** What stands in its place when it is redacted. */
  label: string
  /** The most code points that it reads from its start on, what must follow not counted. */
  longest: number
  /** Characters of ASCII with which one may begin. What precedes is never a letter or digit of ASCII. */
  starts: string
  /** The index after its end; NONE or MORE. */
  scan(text: Codes, at: number): number
  /** Where it is known before its end: the classes of characters that still belong to it. */
  goesOn?: number
}

export const DIGIT = 1
export const LETTERS = 2
export const ALPHANUMERIC = DIGIT | LETTERS
export const UPPER = 4
export const HEXADECIMAL = 8
/** Letters, digits, `_` and `-`: base64url, and what tokens are made of. */
export const TOKEN = 16
export const MAILBOX = 32
/** Of a name in the DNS. */
export const LABEL = 64
export const DOT_OR_TOKEN = 128

const CLASSES = Uint8Array.from({ length: 128 }, (_, character) => {
  const text = String.fromCharCode(character)
  const matching = (expression: RegExp, bits: number) => (expression.test(text) ? bits : 0)
  return (
    matching(/[0-9]/, DIGIT | UPPER | HEXADECIMAL) |
    matching(/[a-zA-Z]/, LETTERS) |
    matching(/[A-Z]/, UPPER) |
    matching(/[a-fA-F]/, HEXADECIMAL) |
    matching(/[\w-]/, TOKEN | DOT_OR_TOKEN) |
    matching(/[\w.%+-]/, MAILBOX) |
    matching(/[a-zA-Z0-9-]/, LABEL) |
    matching(/[.]/, DOT_OR_TOKEN)
  )
})

/** Whether the character is of one of these classes, by a table. */
export function isOf(character: number, classes: number): boolean {
  return character >= 0 && character < 128 && ((CLASSES[character] as number) & classes) !== 0
}

/** The character there, or -1 after the last. */
export function codeAt({ codes, count }: Codes, at: number): number {
  return at < count ? (codes[at] as number) : -1 // Sound: below count.
}

export function code(character: string): number {
  return character.charCodeAt(0)
}

export const DIGITS = '0123456789'
export const LETTERS_LOWER = 'abcdefghijklmnopqrstuvwxyz'
export const LETTERS_UPPER = LETTERS_LOWER.toUpperCase()

export function textBetween({ codes }: Codes, from: number, to: number): string {
  return String.fromCharCode(...codes.subarray(from, to))
}
