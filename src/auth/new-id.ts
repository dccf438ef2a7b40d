/** Ids that nobody can guess and that tell what they are of: a prefix, and 20 base62 digits (119 bits). */
import { randomInt } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const DIGITS = 20

export function newId(prefix: 'tnt' | 'key'): string {
  const digits = Array.from({ length: DIGITS }, () => ALPHABET[randomInt(ALPHABET.length)])
  return `${prefix}_${digits.join('')}`
}
