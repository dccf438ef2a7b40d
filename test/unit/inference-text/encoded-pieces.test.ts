import { expect, test } from 'vitest'
import { createCutter } from '../../../functions/inference/text/cut-at-specials.ts'
import { createEncodedPieces } from '../../../functions/inference/text/encoded-pieces.ts'

test('what was not asked for for longest is forgotten first, and what is too large is not kept', () => {
  const pieces = createEncodedPieces(300)
  for (const piece of ['a', 'b', 'c', 'd']) pieces.set(piece, [1])
  expect(pieces.get('a')).toEqual([1])
  pieces.set('e', [2])
  expect(['a', 'b', 'c', 'd', 'e'].map((piece) => pieces.get(piece))).toEqual([[1], undefined, [1], [1], [2]])
  pieces.set('x'.repeat(300), [3])
  expect(pieces.get('x'.repeat(300))).toBeUndefined()
  expect(pieces.get('e')).toEqual([2])
})

test('a text is cut before each special token, the longest where one begins another, and so are its ids', () => {
  const cutter = createCutter([
    { id: 1, content: '<a>' },
    { id: 2, content: '<a>b' },
    { id: 3, content: '.*' },
  ])
  expect(cutter.text('x<a>b<a>c.*.*')).toEqual(['x', '<a>b', '<a>c', '.*', '.*'])
  expect(cutter.ids([9, 2, 1, 9, 3, 3])).toEqual([[9], [2], [1, 9], [3], [3]])
  expect(cutter.text('<a>')).toEqual(['<a>'])
  expect(cutter.text('')).toEqual([''])
})
