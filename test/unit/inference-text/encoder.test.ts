import { afterEach, expect, test, vi } from 'vitest'
import { createCutter } from '../../../functions/inference/text/cut-at-specials.ts'
import {
  createEncoder,
  type Encoder,
  INLINE_CHARS_MAX,
  LONG_TEXTS_MAX,
} from '../../../functions/inference/text/encoder.ts'
import { SHIELD } from '../../../functions/inference/text/shield-special-tokens.ts'
import type { Tokenizer } from '../../../functions/inference/text/tokenizer.ts'

const INLINE = 7
/** The thread's ids are lengths: of this one the ids of a text can be cut. */
const SPECIAL = 1
const encodeInline = vi.fn((_: string) => [INLINE])
let encoder: Encoder
afterEach(() => encoder.stop())
function start(): Encoder {
  // Sound because an encoder asks nothing else of a tokenizer.
  const cutter = createCutter([{ id: SPECIAL, content: '|' }])
  const tokenizer = { encode: encodeInline, cutter } as unknown as Tokenizer
  encoder = createEncoder('', tokenizer, new URL('./fake-encode-worker.ts', import.meta.url))
  return encoder
}
const WITH = { specialTokens: true }
const long = (start: string) => start.padEnd(INLINE_CHARS_MAX + 1, '.')

test('short texts are encoded here, long ones and those with marks on the thread', async () => {
  const { encode } = start()
  expect(await encode('x'.repeat(INLINE_CHARS_MAX), WITH)).toEqual({ ok: true, ids: [INLINE] })
  expect(await encode(long('x'), WITH)).toEqual({ ok: true, ids: [INLINE_CHARS_MAX + 1] })
  expect(await encode(SHIELD, WITH)).toEqual({ ok: true, ids: [INLINE] })
  expect(await encode(SHIELD, { specialTokens: 'unshielded' })).toEqual({ ok: true, ids: [1] })
})

test('what was encoded before is not encoded again, here or on the thread', async () => {
  const { encode } = start()
  const turns = ['|'.padEnd(3_000, 'a'), '|'.padEnd(3_000, 'b'), '|'.padEnd(3_000, 'c')]
  encodeInline.mockClear()
  for (let count = 1; count <= turns.length; count++) {
    const ids = Array.from({ length: count }, () => INLINE)
    expect(await encode(turns.slice(0, count).join(''), WITH)).toEqual({ ok: true, ids })
  }
  expect(encodeInline.mock.calls.map(([text]) => text)).toEqual(turns)
  const whole = await encode(long('x'), WITH)
  expect(await encode(`${long('x')}|d`, WITH)).toEqual({ ok: true, ids: [...(whole.ok ? whole.ids : []), INLINE] })
  // Where their names are plain text, other ids come of the same pieces.
  expect(await encode('|d', { specialTokens: false })).toEqual({ ok: true, ids: [INLINE] })
  expect(encodeInline.mock.calls.at(-1)?.[0]).toBe('|d')
  expect(encodeInline.mock.calls.length).toBe(turns.length + 2)
})

test('a thread that dies costs only the text that it was at, and one that fails only its caller', async () => {
  const { encode } = start()
  const texts = ['a', 'die', 'b', 'fail', 'c', 'die', 'd'].map((text) => encode(long(text), WITH))
  const ok = { ok: true, ids: [INLINE_CHARS_MAX + 1] }
  const died = { ok: false, reason: 'failed', message: expect.stringContaining('out of memory') }
  const failed = { ok: false, reason: 'failed', message: 'no such text' }
  expect(await Promise.all(texts)).toEqual([ok, died, ok, failed, ok, died, ok])
})

test('no more than so many long texts wait, and short ones do not wait behind them', async () => {
  const { encode } = start()
  const waiting = Array.from({ length: LONG_TEXTS_MAX }, () => encode(long('x'), WITH))
  expect(await encode(long('x'), WITH)).toEqual({ ok: false, reason: 'full' })
  expect(await encode('x', WITH)).toEqual({ ok: true, ids: [INLINE] })
  for (const encoded of await Promise.all(waiting)) expect(encoded.ok).toBe(true)
  expect(await encode(long('x'), WITH)).toMatchObject({ ok: true })
})

test('a text whose caller has left does not hold up those behind it', async () => {
  const { encode } = start()
  const left = new AbortController()
  const first = encode(long('x'), WITH)
  const dropped = Array.from({ length: LONG_TEXTS_MAX - 1 }, () => encode(long('die'), WITH, left.signal))
  left.abort()
  // There is room again at once, and no thread died of what was dropped.
  const behind = encode(long('y'), WITH)
  expect(new Set((await Promise.all(dropped)).map((encoded) => JSON.stringify(encoded)))).toEqual(
    new Set(['{"ok":false,"reason":"dropped"}']),
  )
  expect(await Promise.all([first, behind])).toMatchObject([{ ok: true }, { ok: true }])
  expect(await encode(long('z'), WITH, left.signal)).toEqual({ ok: false, reason: 'dropped' })
})

test('what waits when the encoder stops is told so, and so is who comes later', async () => {
  const { encode, stop } = start()
  const waiting = [encode(long('x'), WITH), encode(long('y'), WITH)]
  await stop()
  const stopped = { ok: false, reason: 'stopped' }
  expect(await Promise.all(waiting)).toEqual([stopped, stopped])
  expect(await encode('x', WITH)).toEqual(stopped)
})
