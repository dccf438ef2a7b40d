import { expect, test } from 'vitest'
import { createDetokenizer } from '../../../functions/inference/text/detokenize-stream.ts'
import { TokenBytes } from '../../../functions/inference/text/token-bytes.ts'

/** A vocabulary with one token per byte, and one special and one other added token: every cut of every character can be spelt. */
const CHARACTERS = (() => {
  const prints = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(prints(byte) ? byte : next++))
})()
const SPECIAL = 256
const ADDED = 257
const vocab = Object.fromEntries([...CHARACTERS, '<|end|>', '<tool>'].map((token, id) => [token, id]))
const bytes = new TokenBytes(vocab, [
  { id: SPECIAL, content: '<|end|>', special: true },
  { id: ADDED, content: '<tool>', special: false },
])

function stream(ids: readonly number[], options = {}): string[] {
  const detokenizer = createDetokenizer(bytes, options)
  return [...ids.map((id) => detokenizer.push(id)), detokenizer.end()]
}

test('a character that spans tokens comes out whole with its last byte', () => {
  const ids = [...new TextEncoder().encode('é🙂')]
  expect(stream(ids)).toEqual(['', 'é', '', '', '', '🙂', ''])
})

test('the pieces of random bytes are together the decoding of all, and none holds half a character', () => {
  let state = 7
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  for (let round = 0; round < 500; round++) {
    // Text with some bytes damaged: both whole and broken characters.
    const whole = [...new TextEncoder().encode('naïve 漢字 🙂👩‍🚀 \uFEFFend')]
    const ids = whole.flatMap((byte) => (random() < 0.1 ? [] : random() < 0.05 ? [Math.floor(random() * 256)] : [byte]))
    const pieces = stream(ids)
    expect(pieces.join('')).toBe(
      new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(Uint8Array.from(ids)),
    )
    for (const piece of pieces) expect(piece.isWellFormed()).toBe(true)
  }
})

test('undamaged text never shows U+FFFD, wherever the stream is looked at', () => {
  const ids = [...new TextEncoder().encode('Grüße, 世界 🙂')]
  expect(stream(ids).slice(0, -1).join('')).not.toContain('\uFFFD')
})

test('a character that never becomes whole is U+FFFD at the end', () => {
  expect(stream([0xf0, 0x9f])).toEqual(['', '', '\uFFFD'])
})

test('an added token ends a character that was begun; a special one is not shown', () => {
  expect(stream([0xe6, SPECIAL, 65])).toEqual(['', '\uFFFD', 'A', ''])
  expect(stream([0xe6, ADDED, 65])).toEqual(['', '\uFFFD<tool>', 'A', ''])
  expect(stream([SPECIAL], { keepSpecialTokens: true })).toEqual(['<|end|>', ''])
})

test('a byte order mark is text like any other, also at the beginning', () => {
  expect(stream([0xef, 0xbb, 0xbf, 65]).join('')).toBe('\uFEFFA')
})

test('a token outside the vocabulary gives no text', () => {
  expect(stream([65, 99_999, 66])).toEqual(['A', '', 'B', ''])
})
