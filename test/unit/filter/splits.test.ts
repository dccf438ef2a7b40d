/**
 * A text that comes in pieces, however it is cut: the same goes out as for the whole, nothing forbidden is in it, and no more is held
 * back than promised, at any moment.
 */
import { describe, expect, test } from 'vitest'
import type { CompiledRules } from '../../../src/filter/compile-rules.ts'
import { jsonStream } from '../../../src/filter/json-stream.ts'
import { type PieceStream, textStream } from '../../../src/filter/text-stream.ts'
import { type Random, seededRandom } from '../../support/seeded-random.ts'
import { compiled, filtered } from './rules.ts'

const WORDS = ['ass', 'assess ment', 'fuck', 'kill yourself', 'café', '傻逼', '逼迫', 'がく', '각', 'abab', 'baba']
const KINDS = ['email', 'phone', 'card', 'iban', 'chinese_id', 'ip', 'secret'] as const
const MASKS = compiled({ words: WORDS }, { words: ['sub', 'ubs'], match: 'substring' })
const ALL = compiled(
  { words: WORDS, action: 'mask' },
  { words: ['sub', 'ubs'], match: 'substring', action: 'redact' },
  { detect: [...KINDS], action: 'redact' },
)

/** Pieces that begin, end, nearly are, disguise or separate what is forbidden. */
const PARTS = [
  ...WORDS, 'as', 's', 'a', 'fu', 'ck', 'kill', ' ', ' yourself', 'cafe', '\u0301', '傻', '逼', 'か', '\u3099', '가', '\u11a8',
  'sub', 'u', 'b', '.', '\n', '\u200b', '\u200b\u200b\u200b', '\u00ad', 'ｓ', 'А', '𝐚', '😀', '\ud83d', '\u0336', 'class', 'the quick',
  'a@b.com', 'x.y@', 'mail.', 'com', '13800138000', '138 0013', ' 8000', '4111 1111', ' 1111 1111', 'DE89 3704 0044 0532 0130 00', '10.0.',
  '0.1', 'fe80::1', 'sk-abcdefghijklmnopqrstuvwxyz', 'eyJhbGciOiJIUzI1NiJ9.abc', '+49 30', ' 1234567', '1101051949', '1231002X', '-',
] // biome-ignore format: one list

function randomText(random: Random, parts: number): string {
  let text = ''
  for (let part = 0; part < parts; part++) text += random.pick(PARTS)
  return text
}

function randomPieces(random: Random, text: string): string[] {
  const pieces: string[] = []
  for (let at = 0; at < text.length; ) {
    const length = 1 + random.below(random.chance(0.3) ? 12 : 3)
    pieces.push(text.slice(at, at + length))
    at += length
  }
  return pieces
}

/** What goes out. `watch` sees what came in and went out so far, after each piece. */
function through(stream: PieceStream, pieces: readonly string[], watch = (_in: string, _out: string) => {}): string {
  let came = ''
  let went = ''
  for (const piece of pieces) {
    came += piece
    went += stream.push(piece)
    watch(came, went)
  }
  return went + stream.end()
}

/** Code points that have come and not gone, of which a row of invisible ones counts as one. */
function pointsHeld(came: string, went: string): number {
  const held = [...came].slice([...went].length).join('')
  return [...held.replace(/(?:\u200b|\u00ad|\u0336)+/g, '\u200b')].length
}

/** Another way to look for forbidden words, by the engine's own expressions: slow, and without a line of ours. */
function saysForbidden(text: string, words: readonly string[]): string | undefined {
  const plain = text
    .replace(/\u200b|\u00ad|\u0336/g, '')
    // What is masked or replaced was a letter.
    .replace(/\*|\[[A-Z]+\]/g, 'x')
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll('а', 'a')
  const spaced = '[[\\p{L}\\p{N}\\p{M}]--[\\p{Script=Han}\\p{Script=Hiragana}]]'
  return words.find((word) => {
    const bounded = !/[傻逼がs]ub|ubs|[傻逼が]/.test(word)
    const expression = bounded ? `(?<!${spaced})${word}(?!${spaced})` : word
    return new RegExp(expression, 'v').test(plain)
  })
}

const CORPUS = Array.from({ length: 60 }, (_, seed) => randomText(seededRandom(seed), 14))

describe.each<[string, CompiledRules]>([
  ['masking rules', MASKS],
  ['all kinds of rules', ALL],
])('%s', (_, rules) => {
  test('every cut into two gives what the whole gives', () => {
    for (const text of CORPUS) {
      const whole = filtered(rules, text)
      for (let at = 0; at <= text.length; at++) {
        expect(through(textStream(rules), [text.slice(0, at), text.slice(at)]), JSON.stringify([text, at])).toBe(whole)
      }
    }
  })

  test('every cut into many gives what the whole gives', () => {
    const random = seededRandom(7)
    for (let round = 0; round < 600; round++) {
      const text = randomText(random, 3 + random.below(40))
      const pieces = randomPieces(random, text)
      expect(through(textStream(rules), pieces), JSON.stringify(pieces)).toBe(filtered(rules, text))
    }
  })
})

test.each([
  ['words', MASKS],
  ['words, personal data and secrets', compiled({ words: WORDS }, { detect: [...KINDS] })],
])('of %s no more is held back than twice the longest pattern and 16 code points, at any moment', (_, rules) => {
  const random = seededRandom(11)
  let most = 0
  for (let round = 0; round < 300; round++) {
    // A mask is as long as what it masks: what went out tells what is held back.
    through(textStream(rules), randomPieces(random, randomText(random, 60)), (came, went) => {
      const held = pointsHeld(came, went)
      most = Math.max(most, held)
      expect(held, JSON.stringify(came)).toBeLessThanOrEqual(2 * rules.longest + 16)
    })
  }
  expect(most).toBeGreaterThan(4)
})

test('nothing forbidden goes out, by another way of looking', () => {
  const random = seededRandom(13)
  let masked = 0
  for (let round = 0; round < 1_500; round++) {
    const text = randomText(random, 4 + random.below(20))
    const went = through(textStream(MASKS), randomPieces(random, text))
    expect(saysForbidden(went, [...WORDS, 'sub', 'ubs']), JSON.stringify([text, went])).toBeUndefined()
    if (went !== text) masked += 1
    // And the other way round: what says nothing forbidden is not touched.
    if (saysForbidden(text, [...WORDS, 'sub', 'ubs']) === undefined) expect(went, JSON.stringify(text)).toBe(text)
  }
  expect(masked).toBeGreaterThan(500)
})

test('text in which nothing begins is not held back at all', () => {
  const stream = textStream(compiled({ words: ['xylophone', '傻逼'] }))
  for (const piece of ['The', ' quick', ' brown', ' fox', ' says', ' 你', '好', '。'])
    expect(stream.push(piece)).toBe(piece)
})

describe('arguments of tool calls', () => {
  /** JSON with what is forbidden in keys, values and numbers, some characters escaped. */
  function randomJson(random: Random): string {
    const value: { [key: string]: unknown } = {}
    for (let field = 0; field < 1 + random.below(4); field++) {
      const key = random.chance(0.2) ? random.pick(PARTS) : `k${field}`
      value[key] = random.chance(0.2)
        ? random.pick([8964, 13800138000, 1.5, -2e3, true, null, [1, 8964]])
        : randomText(random, random.below(6))
    }
    const escaped = [...JSON.stringify(value)].map((character, index, all) => {
      const plain = /[a-z@傻逼]/.test(character) && all[index - 1] !== '\\' && !/[\\u]/.test(all[index - 1] ?? '')
      return plain && random.chance(0.15) ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : character
    })
    const text = escaped.join('')
    try {
      JSON.parse(text)
      return text
    } catch {
      return JSON.stringify(value)
    }
  }

  const rules = compiled({ words: [...WORDS, '8964'] }, { detect: [...KINDS], action: 'redact' })

  test('stay JSON, say nothing forbidden in any of their strings, and are the same however they are cut', () => {
    const random = seededRandom(17)
    let changed = 0
    for (let round = 0; round < 800; round++) {
      const text = randomJson(random)
      const whole = through(jsonStream(rules), [text])
      const texts: string[] = []
      JSON.parse(whole, (key, value) => {
        texts.push(key, typeof value === 'string' ? value : '')
        expect([8964, 13800138000]).not.toContain(value)
        return value
      })
      for (const said of texts) expect(saysForbidden(said, WORDS), whole).toBeUndefined()
      if (whole !== text) changed += 1
      const pieces = randomPieces(random, text)
      expect(through(jsonStream(rules), pieces), JSON.stringify(pieces)).toBe(whole)
      const at = random.below(text.length)
      expect(through(jsonStream(rules), [text.slice(0, at), text.slice(at)])).toBe(whole)
    }
    expect(changed).toBeGreaterThan(200)
  })

  test.each([
    [
      'an escape hides nothing, and one * stands for one character',
      '{"a":"\\u0061ss \\u0041\\u0073s"}',
      '{"a":"*** ***"}',
    ],
    ['escaped halves are one character', '{"a":"\\ud835\\udc1ass"}', '{"a":"***"}'],
    ['keys, too', '{"ass":1}', '{"***":1}'],
    ['a number becomes a string', '{"a":8964,"b":[8964]}', '{"a":"****","b":["****"]}'],
    ['a replaced number, too', '{"a":13800138000}', '{"a":"[PHONE]"}'],
    ['an escaped line is a line', '{"a":"kill\\nyourself"}', '{"a":"*************"}'],
    ['strings are apart', '{"a":"as","s":1}', '{"a":"as","s":1}'],
    ['what is no JSON is masked in place', 'I say ass', 'I say "***"'],
    [
      'the rest is passed on to the byte',
      '{ "a" : "\\u0062\\/\\"" ,\n "b": 1e5 }',
      '{ "a" : "\\u0062\\/\\"" ,\n "b": 1e5 }',
    ],
  ])('%s', (_, text, expected) => {
    expect(through(jsonStream(rules), [text])).toBe(expected)
    expect(through(jsonStream(rules), [...text])).toBe(expected)
  })
})
