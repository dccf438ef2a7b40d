/** Pieces of an answer, joined for who waits for the whole. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AnswerPiece } from '../../../functions/inference/http/answer.ts'
import { gatheredPieces } from '../../../functions/inference/http/gathered-pieces.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const piece = (text: string, id: number): AnswerPiece => ({ text, ids: [id], logged: null })

test('the first piece of each choice passes at once, the others of a window together, in order and each id once', () => {
  const passed: [number, AnswerPiece][] = []
  const pieces = gatheredPieces(250, (index, joined) => passed.push([index, joined]))
  pieces.add(0, piece('a', 1))
  pieces.add(0, piece('b', 2))
  pieces.add(1, piece('x', 7))
  pieces.add(0, piece('c', 3))
  expect(passed).toEqual([
    [0, piece('a', 1)],
    [1, piece('x', 7)],
  ])
  vi.advanceTimersByTime(250)
  expect(passed.slice(2)).toEqual([[0, { text: 'bc', ids: [2, 3], logged: null }]])
  pieces.add(0, piece('d', 4))
  pieces.flush()
  expect(passed.at(-1)).toEqual([0, piece('d', 4)])
  vi.advanceTimersByTime(1_000)
  expect(passed).toHaveLength(4)
})

test('what waits goes nowhere once it is stopped', () => {
  const pass = vi.fn()
  const pieces = gatheredPieces(250, pass)
  pieces.add(0, piece('a', 1))
  pieces.add(0, piece('b', 2))
  pieces.stop()
  vi.advanceTimersByTime(1_000)
  pieces.flush()
  expect(pass).toHaveBeenCalledOnce()
})

test('without a window every piece passes as it comes', () => {
  const pass = vi.fn()
  const pieces = gatheredPieces(0, pass)
  pieces.add(0, piece('a', 1))
  pieces.add(0, piece('b', 2))
  expect(pass).toHaveBeenCalledTimes(2)
})
