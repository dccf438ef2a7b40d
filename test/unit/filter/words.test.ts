/** Forbidden words: what counts as one, and what stands there instead. */
import { describe, expect, test } from 'vitest'
import { ASCII_FOLD, ASCII_KIND, foldPoint } from '../../../src/filter/fold-text.ts'
import { compiled, filtered } from './rules.ts'

const words = compiled({
  words: ['ass', 'fuck', 'kill yourself', 'café', 'straße', 'がく', '傻逼', '法輪', 'naïve', 'каша'],
})

describe('a forbidden word is masked', () => {
  test.each([
    ['as itself', 'an ass!', 'an ***!'],
    ['in any case', 'ASS Ass aSS', '*** *** ***'],
    ['full width', 'ａｓｓ', '***'],
    ['as mathematical letters, which are two units each', '𝐟𝐮𝐜𝐤 you', '**** you'],
    ['as circled, squared and black letters', 'ⓐⓢⓢ 🄰🅂🅂 🅰🆂🆂', '*** *** ***'],
    ['with Cyrillic and Greek look-alikes', 'аss аѕѕ αss', '*** *** ***'],
    ['with invisible characters, each masked too', 'a\u200bs\u2060s f\u00adu\ufeffck', '***** ******'],
    ['with a thousand invisible characters', `a${'\u200b'.repeat(1_000)}ss`, '*'.repeat(1_003)],
    ['struck through', 'f\u0336u\u0336c\u0336k\u0336', `*******\u0336`],
    ['composed and decomposed', 'café cafe\u0301 CAFÉ', '**** ***** ****'],
    ['with a sharp s', 'straße STRASSE', '****** *******'],
    [
      'over a space, whichever',
      'kill yourself kill\u00a0yourself kill\nyourself',
      '************* ************* *************',
    ],
    ['in Japanese, with half-width letters and marks', 'がく ｶﾞ', '** ｶﾞ'],
    ['in Chinese, inside other text', '你是傻逼吗', '你是**吗'],
    ['in a compatibility ideograph', '法\uf9d8', '法\uf9d8'],
    ['beside Chinese, which has no spaces', '你ass好', '你***好'],
    ['beside punctuation and underscores', '_ass_ "ass" (ass)', '_***_ "***" (***)'],
    ['at both ends', 'ass x ass', '*** x ***'],
    ['with marks on a letter of the list', 'nai\u0308ve', '******'],
  ])('%s', (_, text, expected) => {
    expect(filtered(words, text)).toBe(expected)
  })
})

describe('what is no forbidden word stays to the byte', () => {
  test.each([
    'class assess bass Ass2 passes',
    'cafe cafés',
    'ás s a ss a-s-s',
    'ass\u0301',
    'かく 学',
    '傻 逼',
    '\ud83d lone \udc00 halves',
    'e\u0301'.repeat(50),
    '\u0301\u0301 marks first',
    '',
  ])('%j', (text) => {
    expect(filtered(words, text)).toBe(text)
  })
})

describe('a rule says how its words match', () => {
  test('substring: anywhere', () => {
    expect(filtered(compiled({ words: ['ass'], match: 'substring' }), 'class')).toBe('cl***')
  })
  test('word: not beside a letter of any script', () => {
    const rules = compiled({ words: ['ass', '傻逼'], match: 'word' })
    expect(filtered(rules, '你ass好 大傻逼 傻逼，ass')).toBe('你ass好 大傻逼 **，***')
  })
  test('words of two scripts are bounded where a script with spaces begins or ends', () => {
    const rules = compiled({ words: ['sb東西'] })
    expect(filtered(rules, '是sb東西吗 asb東西')).toBe('是****吗 asb東西')
  })
})

test('a whole word stays one beside a substring that begins like it', () => {
  const rules = compiled({ words: ['ass'] }, { words: ['asp'], match: 'substring' })
  expect(filtered(rules, 'glass ass clasp')).toBe('glass *** cl***')
})

test('overlapping words are all masked, and counted by rule', () => {
  const rules = compiled({ words: ['abc', 'bcd'], match: 'substring' }, { words: ['cde'], match: 'substring' })
  expect(filtered(rules, 'xabcdex')).toBe('x*****x')
})

test('a replaced word is replaced once, however much of it overlaps', () => {
  const rules = compiled({ words: ['ab', 'bc'], match: 'substring', action: 'redact' })
  expect(filtered(rules, 'xabcx ab')).toBe('x[REDACTED]x [REDACTED]')
})

test('the tables for ASCII say what every other character is asked for', () => {
  for (let code = 0; code < 128; code++) {
    const { symbols, kinds } = foldPoint(code)
    expect([code, [ASCII_FOLD[code]], [ASCII_KIND[code]]]).toEqual([code, symbols, kinds])
  }
})
