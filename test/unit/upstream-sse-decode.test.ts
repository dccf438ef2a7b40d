/** The decoder of server-sent events, over every way in which a network can cut them. */
import { createParser } from 'eventsource-parser'
import { expect, test } from 'vitest'
import { SSE_EVENT_CHARS_MAX, type SseBatch, sseDecoder } from '../../src/upstream/sse-decode.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** Every line end of the standard, comments, other fields, several data lines, text of one to four bytes, an event that is cut off. */
const STREAM = [
  '\uFEFF: waiting\n\n',
  'data: {"a":"é"}\r\n\r\n',
  'data: {"b":"€ 😀"}\r\rid: 7\r\ndata:no space\r\ndata:  two spaces\n\n',
  'event: x\ndata\ndata: \nretry: 10\n\n',
  ':\r\ndata: [DONE]\r\n\r\n',
  'datafield: no\n\ndata: never finished',
].join('')

const EXPECTED = ['{"a":"é"}', '{"b":"€ 😀"}', 'no space\n two spaces', '\n', '[DONE]']

function decode(...parts: Uint8Array[]): string[] {
  const decoder = sseDecoder()
  return parts.flatMap((part) => decoder.push(part).data)
}

test('an independent parser reads the same from the sample', () => {
  const seen: string[] = []
  createParser({ onEvent: (event) => seen.push(event.data) }).feed(STREAM)
  expect(seen).toEqual(EXPECTED)
})

test('a stream that is cut in two anywhere gives the same events', () => {
  const bytes = bytesOf(STREAM)
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(decode(bytes.subarray(0, cut), bytes.subarray(cut)), `cut at ${cut}`).toEqual(EXPECTED)
  }
})

test('a stream that is cut in three anywhere gives the same events', () => {
  // Short, for the number of cuts is quadratic; it still holds a pair of line ends and a character of four bytes.
  const bytes = bytesOf('data: 😀\r\n\r\ndata: b\r\r')
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const parts = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
      expect(decode(...parts), `cuts at ${first} and ${second}`).toEqual(['😀', 'b'])
    }
  }
})

test('a stream that comes byte by byte gives the same events', () => {
  expect(decode(...[...bytesOf(STREAM)].map((byte) => Uint8Array.of(byte)))).toEqual(EXPECTED)
})

test('one read of many events gives one batch', () => {
  const batch: SseBatch = sseDecoder().push(bytesOf('data: 1\n\ndata: 2\n\ndata: 3\n\n'))
  expect(batch).toEqual({ data: ['1', '2', '3'], commented: false })
})

test('a comment says that the server is alive, and only a comment does', () => {
  const decoder = sseDecoder()
  expect(decoder.push(bytesOf(': waiting\n')).commented).toBe(true)
  expect(decoder.push(bytesOf('data: :not a comment\n\n')).commented).toBe(false)
})

test('an event beyond the bound is refused, in one line, in many lines, and before its line ends', () => {
  expect(() => sseDecoder(10).push(bytesOf(`data: ${'x'.repeat(11)}\n\n`))).toThrow(RangeError)
  expect(() => sseDecoder(10).push(bytesOf('data: 123456\ndata: 123456\n\n'))).toThrow(RangeError)
  expect(() => sseDecoder(10).push(bytesOf('data: 123456789'))).toThrow(RangeError)
  expect(sseDecoder(10).push(bytesOf(`data: ${'x'.repeat(10)}\n\n`.repeat(3))).data).toHaveLength(3)
})

test('the largest event that may come does come, in small reads, without time growing by the square', () => {
  const decoder = sseDecoder()
  const part = bytesOf('1,'.repeat(512))
  const startedAt = performance.now()
  decoder.push(bytesOf('data: '))
  // Seven eighths of the bound in reads of 1 kB: quadratic work would be 30 GB of copying.
  const reads = Math.floor((SSE_EVENT_CHARS_MAX * 7) / 8 / part.length)
  for (let i = 0; i < reads; i++) decoder.push(part)
  const [data] = decoder.push(bytesOf('\n\n')).data
  expect(data).toHaveLength(reads * part.length)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('an event of many empty lines is bounded, too', () => {
  expect(() => sseDecoder(10).push(bytesOf('data\n'.repeat(11)))).toThrow(RangeError)
})
