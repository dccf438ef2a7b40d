/** Time grows with the text and not faster, whatever the text: no text hangs the filter. */
import { expect, test } from 'vitest'
import { jsonStream } from '../../../src/filter/json-stream.ts'
import { scanText } from '../../../src/filter/scan-text.ts'
import { textStream } from '../../../src/filter/text-stream.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { compiled } from './rules.ts'

const nested = Array.from({ length: 64 }, (_, length) => 'a'.repeat(length + 1))
const RULES = compiled(
  { words: [...nested.map((word) => `${word}b`), '傻逼', 'kill yourself'], match: 'substring' },
  { detect: ['email', 'phone', 'card', 'iban', 'chinese_id', 'ip', 'secret'], action: 'redact' },
)
/** A quarter of the largest text body. */
const UNITS = 1_000_000
/** Of CPU time, some ten times what the slowest takes; backtracking would take hours. */
const MS_MAX = 8_000

const random = seededRandom(1)
const marks = Array.from(
  { length: 1_000 },
  () => `e${String.fromCodePoint(0x300 + random.below(0x30), 0x300 + random.below(0x30))}`,
)

function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

test.each([
  ['the beginning of words, over and over', 'a'],
  ['words in words', `${'a'.repeat(64)}b`],
  ['beginnings of addresses', 'a.'],
  ['addresses without an end', 'a@'],
  ['long addresses that fail at the end', `${'a.'.repeat(31)}a@${'b.'.repeat(120)}`],
  ['digits between separators', '1-'],
  ['digits between spaces', '3 '],
  ['one long number', '4'],
  ['nearly IPv6', 'fe80:'],
  ['nearly a secret', 'sk-'],
  ['nearly an IBAN', 'DE89 '],
  ['invisible characters', 'a\u200b'],
  ['marks upon marks', '\u0301'],
  ['all kinds of marks', marks.join('')],
  ['Chinese', '傻'],
])(
  'a million characters of %s',
  (_, unit) => {
    const text = unit.repeat(Math.ceil(UNITS / unit.length))
    expect(cpuMsOf(() => scanText(RULES, text))).toBeLessThan(MS_MAX)
  },
  60_000,
)

test.each([
  ['text', textStream],
  ['arguments', jsonStream],
])(
  '40,000 pieces of %s that are held back as long as can be',
  (_, make) => {
    const stream = make(RULES)
    const spent = cpuMsOf(() => {
      stream.push('"')
      for (let piece = 0; piece < 40_000; piece++) stream.push('a.')
      stream.end()
    })
    expect(spent).toBeLessThan(MS_MAX)
  },
  60_000,
)
