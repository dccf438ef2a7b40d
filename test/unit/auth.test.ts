/** API keys: their text, their hash, and whom they stand for. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { makeApiKey, parseApiKey, sha256Hex } from '../../src/auth/api-key.ts'
import { configuredKeys } from '../../src/auth/configured-keys.ts'
import { SCOPES } from '../../src/contract/scopes.ts'

describe('a key', () => {
  test('is pg_, 43 characters of randomness and 6 of checksum, and no two are alike', () => {
    const keys = Array.from({ length: 200 }, makeApiKey)
    for (const key of keys) {
      expect(key).toMatch(/^pg_[0-9A-Za-z]{49}$/)
      expect(parseApiKey(key)).toBe(key)
    }
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('carries the CRC-32 that zlib computes, in base62', () => {
    const key = makeApiKey()
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    const checksum = [...key.slice(-6)].reduce((sum, digit) => sum * 62 + digits.indexOf(digit), 0)
    expect(checksum).toBe(crc32(key.slice(3, -6)))
  })

  test('with one character changed is not one', () => {
    const key = makeApiKey()
    for (let at = 0; at < key.length; at++) {
      const other = key[at] === 'x' ? 'y' : 'x'
      expect(parseApiKey(key.slice(0, at) + other + key.slice(at + 1))).toBeUndefined()
    }
    expect(parseApiKey('')).toBeUndefined()
    expect(parseApiKey(`${key} `)).toBeUndefined()
  })

  test('is known by its SHA-256', () => {
    expect(sha256Hex('abc')).toBe(createHash('sha256').update('abc').digest('hex'))
  })
})

describe('configured keys', () => {
  const key = makeApiKey()

  test('find the one key there is, as the default tenant', async () => {
    expect(await configuredKeys(sha256Hex(key)).find(sha256Hex(key))).toEqual({
      tenantId: 'tnt_default',
      keyId: 'key_default',
      scopes: SCOPES,
    })
  })

  test('find no other, whatever its length', async () => {
    const keys = configuredKeys(sha256Hex(key))
    for (const text of [sha256Hex(makeApiKey()), '', 'ab', `${sha256Hex(key)}0`, sha256Hex(key).toUpperCase()]) {
      expect(await keys.find(text)).toBeUndefined()
    }
  })

  test('fail closed without a setting', async () => {
    expect(await configuredKeys(undefined).find(sha256Hex(key))).toBeUndefined()
  })
})
