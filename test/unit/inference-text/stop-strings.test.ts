import { expect, test } from 'vitest'
import { createStopMatcher } from '../../../functions/inference/text/stop-strings.ts'

/** The rule in its plainest form, over the whole text at once: earliest end, then longest. */
function reference(text: string, stops: readonly string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const complete = stops.filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop))
    const longest = Math.max(0, ...complete.map((stop) => stop.length))
    if (longest > 0) return { text: text.slice(0, end - longest), stopped: true }
  }
  return { text, stopped: false }
}

function inPieces(pieces: readonly string[], stops: readonly string[]) {
  const matcher = createStopMatcher(stops)
  const given: string[] = []
  let stopped = false
  for (const piece of pieces) {
    const result = matcher.push(piece)
    given.push(result.text)
    stopped = result.stopped
  }
  given.push(matcher.end())
  return { given, text: given.join(''), stopped }
}

/** Every way to cut a text into pieces: one bit per gap. */
function* everySplit(text: string): Generator<string[]> {
  for (let cuts = 0; cuts < 2 ** (text.length - 1); cuts++) {
    const pieces: string[] = []
    let start = 0
    for (let gap = 1; gap < text.length; gap++) {
      if ((cuts >> (gap - 1)) & 1) {
        pieces.push(text.slice(start, gap))
        start = gap
      }
    }
    pieces.push(text.slice(start))
    yield pieces
  }
}

test.each([
  { text: 'say STOP now', stops: ['STOP'] },
  { text: 'aaabaaaab', stops: ['aaaab'] },
  { text: 'ababababc', stops: ['ababc', 'bab'] },
  { text: 'xabcd', stops: ['abcd', 'bc'] },
  { text: 'one\n\ntwo', stops: ['\n\n', '\n'] },
  { text: 'half STO', stops: ['STOP'] },
  { text: 'nothing', stops: [] },
  { text: 'nothing', stops: [''] },
  { text: 'ok 🙂 end', stops: ['🙂'] },
])('what is given of $text does not depend on how it is cut ($stops)', ({ text, stops }) => {
  const expected = reference(text, stops)
  for (const pieces of everySplit(text)) {
    const { text: given, stopped } = inPieces(pieces, stops)
    expect({ given, stopped, pieces }).toEqual({ given: expected.text, stopped: expected.stopped, pieces })
  }
})

test('random texts over two letters agree with the plain rule', () => {
  let state = 1
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const letters = (length: number) => Array.from({ length }, () => 'ab'[random(2)]).join('')
  for (let round = 0; round < 2_000; round++) {
    const stops = Array.from({ length: 1 + random(4) }, () => letters(2 + random(6)))
    const text = letters(40)
    const pieces = text.match(new RegExp(`.{1,${1 + random(7)}}`, 'g')) ?? []
    const { text: given, stopped } = inPieces(pieces, stops)
    expect({ text: given, stopped }).toEqual(reference(text, stops))
  }
})

test('text is held back only while it may begin a stop string', () => {
  const matcher = createStopMatcher(['STOP', 'TOO'])
  expect(matcher.push('go S')).toEqual({ text: 'go ', stopped: false })
  expect(matcher.push('TO')).toEqual({ text: '', stopped: false })
  // "STO" may still become STOP, and its "TO" TOO; an R decides both.
  expect(matcher.push('R')).toEqual({ text: 'STOR', stopped: false })
})

test('nothing follows a stop string, not even from later pieces', () => {
  const matcher = createStopMatcher(['END'])
  expect(matcher.push('aENDb')).toEqual({ text: 'a', stopped: true })
  expect(matcher.push('more')).toEqual({ text: '', stopped: true })
  expect(matcher.end()).toBe('')
})

test('a long answer without a stop costs the same per character as a short one', () => {
  // Counting, not timing: what is held is never longer than a stop string, so no piece is looked at twice.
  const matcher = createStopMatcher(['aaaaaaab'])
  let given = 0
  let heldMost = 0
  for (let i = 0; i < 100_000; i++) {
    given += matcher.push('a').text.length
    heldMost = Math.max(heldMost, i + 1 - given)
  }
  expect(heldMost).toBe(7)
})
