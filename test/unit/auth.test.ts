/** API keys: their text, their hash, whom they stand for, and from where. */
import { createHash } from 'node:crypto'
import { BlockList } from 'node:net'
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { makeApiKey, parseApiKey, sha256Hex } from '../../src/auth/api-key.ts'
import { configuredKeys } from '../../src/auth/configured-keys.ts'
import type { UsableKey } from '../../src/auth/key-store.ts'
import { isIn, parseAddress, parseNetwork } from '../../src/auth/network.ts'
import { rememberingHash } from '../../src/auth/remembering-hash.ts'
import { INSTALLATION_SCOPES, ROLE_SCOPES } from '../../src/auth/roles.ts'
import { readyKey, storedKeys } from '../../src/auth/stored-keys.ts'
import { SCOPES } from '../../src/contract/scopes.ts'
import type { Keys, UsedFrom } from '../../src/http/ports.ts'
import { seededRandom } from '../support/seeded-random.ts'

const NOWHERE: UsedFrom = { origin: undefined, address: undefined }

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

describe('the configured key', () => {
  const key = makeApiKey()
  const hash = sha256Hex(key)
  const none: Keys = { find: () => undefined }

  test('is the default tenant’s, with all scopes, and asks no store', () => {
    const store: Keys = { find: () => Promise.reject(new Error('asked')) }
    expect(configuredKeys(hash, store).find(hash, NOWHERE)).toEqual({
      tenantId: 'tnt_default',
      keyId: 'key_default',
      scopes: SCOPES,
    })
  })

  test('is no other, whatever its length: the store decides about those', () => {
    for (const text of [sha256Hex(makeApiKey()), '', 'ab', `${hash}0`, hash.toUpperCase()]) {
      expect(configuredKeys(hash, none).find(text, NOWHERE)).toBeUndefined()
    }
  })

  test('is none without a setting', () => {
    expect(configuredKeys(undefined, none).find(hash, NOWHERE)).toBeUndefined()
  })
})

describe('a stored key', () => {
  const HOUR = 3_600_000
  const stored: UsableKey = {
    id: 'key_1',
    tenantId: 'tnt_1',
    role: 'owner',
    scopes: null,
    models: null,
    allowedOrigins: null,
    allowedNetworks: null,
    validUntilMs: null,
  }
  /** What is found at a time. */
  function found(change: Partial<UsableKey>, from: Partial<UsedFrom> = {}, nowMs = 0) {
    const ready = readyKey({ ...stored, ...change })
    return storedKeys({ recall: () => ready, nowMs: () => nowMs }).find('hash', { ...NOWHERE, ...from })
  }

  test('that the isolate knows is found without a promise, always the same object', () => {
    const keys = storedKeys({ recall: () => ready, nowMs: () => 0 })
    const ready = readyKey(stored)
    expect(keys.find('hash', NOWHERE)).toBe(keys.find('hash', NOWHERE))
    expect(keys.find('hash', NOWHERE)).toMatchObject({ tenantId: 'tnt_1', keyId: 'key_1' })
  })

  test('that must be looked up is judged as one that is known', async () => {
    const keys = storedKeys({ recall: async () => readyKey({ ...stored, validUntilMs: HOUR }), nowMs: () => HOUR })
    expect(await keys.find('hash', NOWHERE)).toBeUndefined()
  })

  test('ends with its time, at the very millisecond, although the isolate knew it before', () => {
    expect(found({ validUntilMs: HOUR }, {}, HOUR - 1)).toBeDefined()
    expect(found({ validUntilMs: HOUR }, {}, HOUR)).toBeUndefined()
  })

  test('with origins is refused from another page and from no page', () => {
    const change = { allowedOrigins: ['https://app.example.com'] }
    expect(found(change, { origin: 'https://app.example.com' })).toBeDefined()
    expect(found(change, { origin: 'https://APP.example.com' })).toBeDefined()
    for (const origin of [
      'https://evil.example.com',
      'http://app.example.com',
      'https://app.example.com:8443',
      'null',
      undefined,
    ]) {
      expect(() => found(change, { origin })).toThrow(expect.objectContaining({ code: 'origin_not_allowed' }))
    }
  })

  test('with networks is refused from another address and from an unknown one', () => {
    const change = { allowedNetworks: ['192.0.2.0/24', '2001:db8::/32'] }
    for (const address of ['192.0.2.77', '::ffff:192.0.2.77', '2001:DB8:1::1']) {
      expect(found(change, { address })).toBeDefined()
    }
    for (const address of ['192.0.3.1', '2001:db9::1', '', 'unknown', undefined]) {
      expect(() => found(change, { address })).toThrow(expect.objectContaining({ code: 'origin_not_allowed' }))
    }
    // What cannot be read allows nothing.
    expect(() => found({ allowedNetworks: ['anything'] }, { address: '192.0.2.77' })).toThrow()
  })

  test('of another tenant never has what reaches beyond it, whatever is stored', () => {
    expect(found({ role: 'owner' })).toMatchObject({ scopes: expect.not.arrayContaining(['tenants:write']) })
    expect(found({ role: null, scopes: ['chat', 'tenants:write', 'metrics:read'] })).toMatchObject({ scopes: ['chat'] })
    expect(found({ role: 'owner', tenantId: 'tnt_default' })).toMatchObject({ scopes: SCOPES })
  })
})

test('each role has what the next smaller has, and only owners reach beyond their tenant', () => {
  const { owner, admin, developer, member, viewer } = ROLE_SCOPES
  for (const [greater, smaller] of [
    [owner, admin],
    [admin, developer],
    [developer, member],
    [developer, viewer],
  ]) {
    expect(greater).toEqual(expect.arrayContaining([...(smaller ?? [])]))
  }
  for (const scopes of [admin, developer, member, viewer]) {
    expect(scopes.filter((scope) => INSTALLATION_SCOPES.includes(scope))).toEqual([])
  }
  expect(
    [...member, ...viewer, ...developer].filter((scope) => /^(keys|users|limits|filters):write$/.test(scope)),
  ).toEqual([])
})

describe('networks', () => {
  const contains = (network: string, address: string) => {
    const [parsed, at] = [parseNetwork(network), parseAddress(address)]
    return parsed !== undefined && at !== undefined && isIn(at, parsed)
  }

  test('agree with Node’s own, for 20,000 random pairs of IPv4 and of IPv6', () => {
    const random = seededRandom(20_261_124)
    const hex = () => random.below(0x1_0000).toString(16)
    let inside = 0
    for (let i = 0; i < 20_000; i++) {
      const family = random.chance(0.5) ? 'ipv4' : 'ipv6'
      const groups = family === 'ipv4' ? 4 : 8
      const parts = Array.from({ length: groups }, () => (family === 'ipv4' ? String(random.below(256)) : hex()))
      // The address shares some of the network's groups, or they would never meet.
      const shared = random.below(groups + 1)
      const others = parts.map((part, at) =>
        at < shared ? part : family === 'ipv4' ? String(random.below(256)) : hex(),
      )
      const separator = family === 'ipv4' ? '.' : ':'
      const bits = random.below(family === 'ipv4' ? 33 : 129)
      const network = parts.join(separator)
      const list = new BlockList()
      list.addSubnet(network, bits, family)
      const address = others.join(separator)
      const expected = list.check(address, family)
      inside += Number(expected)
      expect(contains(`${withoutHostBits(network, bits)}/${bits}`, address), `${address} in ${network}/${bits}`).toBe(
        expected,
      )
    }
    expect(inside).toBeGreaterThan(2_000)
  })

  test.each([
    ['10.0.0.0/8', '10.255.1.2', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '203.0.113.9', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['::ffff:192.0.2.0/120', '192.0.2.9', true],
    ['::ffff:192.0.2.0/120', '192.0.3.9', false],
    ['2001:db8::/32', '2001:0db8:ffff::1', true],
    ['2001:db8::1', '2001:db8:0:0:0:0:0:1', true],
    ['fe80::/10', 'febf::1', true],
    ['fe80::/10', 'fec0::1', false],
  ])('%s has %s: %s', (network, address, expected) => {
    expect(contains(network, address)).toBe(expected)
  })

  test.each([
    '',
    '10.0.0.0/33',
    '10.0.0.1/8',
    '10.0.0/8',
    '010.0.0.0/8',
    '256.0.0.0/8',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '2001:db8::/129',
    '2001:db8::1/32',
    '1::2::3',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    'g::',
    '12345::',
    '::1.2.3',
    'example.com',
    '*',
    '::1%eth0',
  ])('%j is none', (text) => {
    expect(parseNetwork(text)).toBeUndefined()
  })
})

/** Node's list ignores them, ours refuses them. */
function withoutHostBits(address: string, bits: number): string {
  const [separator, width, radix] = address.includes('.') ? (['.', 8, 10] as const) : ([':', 16, 16] as const)
  return address
    .split(separator)
    .map((part, at) => {
      const covered = Math.min(width, Math.max(0, bits - at * width))
      const mask = (2 ** width - 1) & ~(2 ** (width - covered) - 1)
      return (Number.parseInt(part, radix) & mask).toString(radix)
    })
    .join(separator)
}

describe('the hash of a key that comes again', () => {
  function remembering() {
    const hashed: string[] = []
    const clock = { nowMs: 1_000_000 }
    const hash = (text: string) => {
      hashed.push(text)
      return sha256Hex(text)
    }
    return { hashOf: rememberingHash(hash, () => clock.nowMs), hashed, clock }
  }

  test('is the same without being made again, and the key is forgotten within a minute', () => {
    const { hashOf, hashed, clock } = remembering()
    for (let second = 0; second < 60; second++, clock.nowMs += 1_000) expect(hashOf('k')).toBe(sha256Hex('k'))
    expect(hashOf('other')).toBe(sha256Hex('other'))
    expect(hashed).toEqual(['k', 'other'])
    clock.nowMs += 1_000
    hashOf('k')
    expect(hashed).toEqual(['k', 'other', 'k'])
  })

  test('is made each time of what is longer than a key, and of no more texts than fit is anything kept', () => {
    const { hashOf, hashed } = remembering()
    for (const text of ['x'.repeat(129), 'x'.repeat(129)]) expect(hashOf(text)).toBe(sha256Hex(text))
    expect(hashed).toHaveLength(2)
    for (let made = 0; made < 3_000; made++) hashOf(`made up ${made}`)
    expect(hashOf('made up 2999')).toBe(sha256Hex('made up 2999'))
    expect(hashed).toHaveLength(3_002)
    hashOf('made up 0')
    expect(hashed).toHaveLength(3_003)
  })
})
