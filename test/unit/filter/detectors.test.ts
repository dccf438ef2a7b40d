/** Personal data and secrets: what is found, and what only looks like it. Each kind alone, so that no other finds it first. */
import { describe, expect, test } from 'vitest'
import { makeApiKey } from '../../../src/auth/api-key.ts'
import type { Detectable } from '../../../src/contract/filter-rules.ts'
import { compiled, filtered } from './rules.ts'

const redact = (kind: Detectable, text: string) => filtered(compiled({ detect: [kind], action: 'redact' }), text)
const KEY = makeApiKey()

describe('found', () => {
  test.each<[Detectable, string, string]>([
    ['email', 'Write to a.b+c@mail.example.com.', 'Write to [EMAIL].'],
    ['email', '联系foo@bar.cn谢谢', '联系[EMAIL]谢谢'],
    ['email', 'ｆｏｏ＠ｂａｒ．ｃｏｍ', '[EMAIL]'],
    ['email', 'f\u200boo@bar.com', '[EMAIL]'],
    ['email', 'x@xn--bcher-kva.xn--p1ai', '[EMAIL]'],
    ['email', '<a@b.co>,c@d.co', '<[EMAIL]>,[EMAIL]'],
    ['phone', 'call +49 (30) 123-4567 now', 'call [PHONE] now'],
    ['phone', '13800138000、138 0013 8000、+86 138-0013-8000', '[PHONE]、[PHONE]、[PHONE]'],
    ['phone', '(555) 123-4567 or 1-555-123-4567.', '[PHONE] or [PHONE].'],
    ['phone', '030 1234567, 010-12345678, 01 23 45 67 89', '[PHONE], [PHONE], [PHONE]'],
    ['card', '4111 1111 1111 1111 123', '[CARD] 123'],
    ['card', '4111111111111111', '[CARD]'],
    ['card', '3782-822463-10005', '[CARD]'],
    ['iban', 'DE89 3704 0044 0532 0130 00.', '[IBAN].'],
    ['iban', 'gb82west12345698765432', '[IBAN]'],
    ['chinese_id', '身份证11010519491231002x。', '身份证[ID]。'],
    ['ip', '10.0.0.1:80, ::ffff:10.0.0.1, fe80::1, 2001:db8:0:0:0:0:0:1.', '[IP]:80, ::ffff:[IP], [IP], [IP].'],
    ['secret', `key=${KEY};`, 'key=[SECRET];'],
    ['secret', `sk-proj-${'aB3_'.repeat(30)} AKIAIOSFODNN7EXAMPLE`, '[SECRET] [SECRET]'],
    ['secret', `eyJhbGciOiJIUzI1NiJ9.${'eyJzdWIiOiIx'.repeat(50)}.c2lnbmF0dXJl`, '[SECRET]'],
  ])('%s in %s', (kind, text, expected) => {
    expect(redact(kind, text)).toBe(expected)
  })
})

describe('not found', () => {
  test.each<[Detectable, string]>([
    ['email', `user@localhost @name a@b a@.com a.@b.com a@b.c ${'x'.repeat(65)}@example.com`],
    ['phone', '2026-11-24 12:30:45, 01-02-2026 12:30, 3.13800138000, 12345678, x13800138000, 13800138000x'],
    ['card', '4111 1111 1111 1112, 1234567890123456, 41111111111111111111, x4111111111111111'],
    ['iban', 'DE89 3704 0044 0532 0130 01, DE89 3704, ZZ89370400440532013000, DE89370400440532013000x'],
    ['chinese_id', '110105194912310021, 11010519491331002X, 1110105194912310020'],
    ['ip', '256.1.1.1, 1.2.3, 1.2.3.4.5, 12:30:45, std::vector, a::b, dead:beef'],
    ['secret', `${KEY.slice(0, -1)}${KEY.endsWith('a') ? 'b' : 'a'} sk-short task-force-of-twenty-people AKIA1234`],
  ])('%s in %s', (kind, text) => {
    expect(redact(kind, text)).toBe(text)
  })
})

test('one rule may mask what another redacts, and the first kind that fits has it', () => {
  const rules = compiled({ detect: ['email'], action: 'mask' }, { detect: ['phone', 'card'], action: 'redact' })
  expect(filtered(rules, '13800138000@qq.com 13800138000')).toBe(`${'*'.repeat(18)} [PHONE]`)
})
