/** What bench:filter works on: ten thousand words that look like words, and texts of 4 kB in which few of them are. The same every time. */
import { type Random, seededRandom } from '../../support/seeded-random.ts'

export const WORDS = 10_000
/** Bytes of UTF-8. */
const TEXT_BYTES = 4_096
/** Of each text's characters as a model sends them: a word with the space before it. */
const CHINESE_SHARE = 0.3

export type Material = { words: string[]; english: string; chinese: string }

/** `prose` is English text of 4 kB and more. */
export function material(prose: string): Material {
  const random = seededRandom(1)
  const chinese = chineseText(random)
  const known = [...new Set(prose.toLowerCase().match(/[a-z]{3,}/g) ?? [])]
  const words = new Set<string>()
  while (words.size < WORDS * (1 - CHINESE_SHARE)) {
    const word = random.pick(known).slice(0, 2 + random.below(4)) + random.pick(known).slice(-2 - random.below(4))
    // Real lists hold few of the words that people use.
    if (!known.includes(word)) words.add(word)
  }
  while (words.size < WORDS) words.add(hanText(random, 2 + random.below(3)))
  return { words: [...words], english: prose.slice(0, TEXT_BYTES), chinese }
}

function chineseText(random: Random): string {
  let text = ''
  while (new TextEncoder().encode(text).length < TEXT_BYTES - 30) text += `${hanText(random, 4 + random.below(12))}，`
  return text
}

/** Of the three thousand most used characters, as a text is. */
function hanText(random: Random, length: number): string {
  return Array.from({ length }, () => String.fromCodePoint(0x4e00 + random.below(3_000))).join('')
}

/** As tokens of a model: words with the space before them, long ones in two. */
export function tokensOf(text: string): string[] {
  return (text.match(/\s?[^\s]{1,6}|\s/g) ?? []).filter((token) => token !== '')
}
