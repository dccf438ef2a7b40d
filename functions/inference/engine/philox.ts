/**
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011): random words as a pure
 * function of a key and a counter, so a draw needs no state and can be made again anywhere. Known answers: src/contract/sampling.ts.
 */

const MULTIPLIER_0 = 0xd2511f53
const MULTIPLIER_1 = 0xcd9e8d57
const WEYL_0 = 0x9e3779b9
const WEYL_1 = 0xbb67ae85
const ROUNDS = 10

/** Upper 32 bits of a 32 x 32 bit product, from 16-bit halves: JavaScript has no wider integer that is fast. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) >>> 0
  const carry = Math.imul(aLow, bHigh) + (middle & 0xffff)
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0
}

export type Words = readonly [number, number, number, number]
export type Key = readonly [number, number]

/** One of the ten rounds. Words are 32 bits, signed or not. */
export function philoxRound([c0, c1, c2, c3]: Words, [k0, k1]: Key): Words {
  const high0 = multiplyHigh(MULTIPLIER_0, c0)
  const high1 = multiplyHigh(MULTIPLIER_1, c2)
  return [high1 ^ c1 ^ k0, Math.imul(MULTIPLIER_1, c2), high0 ^ c3 ^ k1, Math.imul(MULTIPLIER_0, c0)]
}

/** All four words, each 0 to 2^32 - 1. Counter and key are words, lowest first. */
export function philox(counter: Words, key: Key): Words {
  let words = counter
  for (let round = 0; round < ROUNDS; round++) {
    words = philoxRound(words, [key[0] + Math.imul(round, WEYL_0), key[1] + Math.imul(round, WEYL_1)])
  }
  return [words[0] >>> 0, words[1] >>> 0, words[2] >>> 0, words[3] >>> 0]
}
