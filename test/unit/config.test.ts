/** Settings: their defaults, their bounds, and that a wrong one is named. */
import { expect, test } from 'vitest'
import { readConfig, readUpstreamSecrets } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'

// Sound: settings are read by name, and the bindings are not looked at.
const read = (variables: Record<string, string>) => readConfig(variables as unknown as Env)

test('nothing set means the defaults, and no key is valid', () => {
  expect(read({})).toEqual({
    PERIGEE_INFERENCE_URL: 'http://127.0.0.1:8080',
    PERIGEE_DEFAULT_MODEL: 'smollm2-135m-instruct',
    PERIGEE_TOKEN_MINUTES: 15,
    PERIGEE_SESSION_DAYS: 30,
    PERIGEE_PASSWORD_ROUNDS: 5,
    PERIGEE_SELF_REGISTRATION: 'off',
    PERIGEE_LOG_LEVEL: 'info',
    PERIGEE_BODY_BYTES_MAX: 20_971_520,
    PERIGEE_CONNECT_TIMEOUT_MS: 3_000,
    PERIGEE_FIRST_TOKEN_TIMEOUT_MS: 10_000,
    PERIGEE_WAITING_TIMEOUT_MS: 60_000,
    PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS: 10_000,
    PERIGEE_TOTAL_TIMEOUT_MS: 300_000,
    PERIGEE_CACHE: 'default',
    PERIGEE_CACHE_TTL_SECONDS: 3_600,
    PERIGEE_CACHE_ENTRIES: 10_000,
    PERIGEE_CACHE_BYTES: 33_554_432,
    PERIGEE_ALLOW_INTERNAL_URLS: 'off',
    PERIGEE_CONVERSATION_DAYS: 7,
    PERIGEE_REQUEST_LOG_DAYS: 30,
    PERIGEE_DEV_KEY_REQUESTS_PER_HOUR: 10_000_000,
  })
})

test('a setting is parsed from its text', () => {
  const config = read({ PERIGEE_CONNECT_TIMEOUT_MS: '250', PERIGEE_INFERENCE_URL: 'https://gpu.example' })
  expect(config).toMatchObject({ PERIGEE_CONNECT_TIMEOUT_MS: 250, PERIGEE_INFERENCE_URL: 'https://gpu.example' })
})

test.each([
  ['PERIGEE_INFERENCE_URL', 'ftp://x'],
  ['PERIGEE_INFERENCE_URL', 'nonsense'],
  ['PERIGEE_INFERENCE_KEY', 'short'],
  ['PERIGEE_DEFAULT_MODEL', ''],
  ['PERIGEE_KEY_SHA256', 'ABC'],
  ['PERIGEE_TOKEN_SECRET', 'x'.repeat(31)],
  ['PERIGEE_TOKEN_SECRET_PREVIOUS', 'short'],
  ['PERIGEE_HEARTBEAT_SECRET', 'x'.repeat(31)],
  ['PERIGEE_TOKEN_MINUTES', '0'],
  ['PERIGEE_SELF_REGISTRATION', 'yes'],
  ['PERIGEE_LOG_LEVEL', 'loud'],
  ['PERIGEE_BODY_BYTES_MAX', '0'],
  ['PERIGEE_CONNECT_TIMEOUT_MS', '3s'],
  ['PERIGEE_CONNECT_TIMEOUT_MS', '-1'],
  ['PERIGEE_TOTAL_TIMEOUT_MS', '999999999'],
  ['PERIGEE_CONVERSATION_DAYS', '1.5'],
  ['PERIGEE_UPSTASH_URL', 'redis://x'],
  ['PERIGEE_DEV_KEY_REQUESTS_PER_HOUR', '0'],
])('%s = %s is refused by name, and all wrong settings are named at once', (name, value) => {
  expect(() => read({ [name]: value })).toThrow(name)
  expect(() => read({ [name]: value, PERIGEE_LOG_LEVEL: '?' })).toThrow('PERIGEE_LOG_LEVEL')
})

test('the value of a wrong setting is not repeated: it may be a secret', () => {
  expect(() => read({ PERIGEE_INFERENCE_KEY: 'hunter2' })).not.toThrow('hunter2')
  expect(() => read({ PERIGEE_INFERENCE_KEY: 'hunter2' })).toThrow()
})

test('Upstash has its address and its token together, or neither', () => {
  const url = { PERIGEE_UPSTASH_URL: 'https://eu1.upstash.example' }
  const token = { PERIGEE_UPSTASH_TOKEN: 't' }
  expect(read({ ...url, ...token })).toMatchObject({ ...url, ...token })
  for (const half of [url, token]) expect(() => read(half)).toThrow('PERIGEE_UPSTASH_TOKEN')
})

test('secrets of deployments are those whose names say so; a line break around one is dropped, and an empty one is none', () => {
  const variables = {
    UPSTREAM_A: 'key-a\n',
    UPSTREAM_B: '  ',
    upstream_c: 'x',
    PERIGEE_INFERENCE_KEY: 'k',
    UPSTREAM_D: 1,
  }
  // Sound: only names and text are looked at.
  expect([...readUpstreamSecrets(variables as unknown as Env)]).toEqual([['UPSTREAM_A', 'key-a']])
})
