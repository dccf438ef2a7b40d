/** What the environment says to the Worker of `npm start`, through the very file that wrangler reads. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { unstable_getVarsForDev } from 'wrangler'
import { prepareState } from '../../scripts/start/development-state.ts'
import { envFileText, workerVariables } from '../../scripts/start/worker-variables.ts'
import { settingsSchema } from '../../src/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'perigee-state-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const OWN = {
  PERIGEE_INFERENCE_URL: 'http://127.0.0.1:8080',
  PERIGEE_DEFAULT_MODEL: 'm',
  PERIGEE_KEY_SHA256: '0'.repeat(64),
}

/** Nothing given: on one machine deployments may be inside. */
const ALONE = { PERIGEE_ALLOW_INTERNAL_URLS: 'on', ...OWN }

/** As wrangler will hand them to the Worker. */
function asRead(envFile: string): Record<string, unknown> {
  const read = unstable_getVarsForDev(undefined, [envFile], {}, undefined, true)
  return Object.fromEntries(Object.entries(read).map(([name, { value }]) => [name, value]))
}

function prepare(environment: NodeJS.ProcessEnv) {
  const prepared = prepareState(folder, { modelName: 'm', inferencePort: 8_080 }, environment)
  if (prepared.kind === 'wrong') throw new Error(prepared.message)
  return prepared.state
}

test('every setting of the Worker that the environment sets reaches it, the key of the inference server among them', () => {
  const set = {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what dotenv would expand.
    PERIGEE_INFERENCE_KEY: 'a key of $HOME and ${more} "quoted"',
    PERIGEE_TOKEN_SECRET: 'a secret of at least thirty-two characters',
    PERIGEE_TOKEN_SECRET_PREVIOUS: 'another of at least thirty-two characters',
    PERIGEE_HEARTBEAT_SECRET: 'a third of at least thirty-two characters',
    PERIGEE_TOKEN_MINUTES: '7',
    PERIGEE_SESSION_DAYS: '8',
    PERIGEE_PASSWORD_ROUNDS: '6',
    PERIGEE_SELF_REGISTRATION: 'on',
    PERIGEE_LOG_LEVEL: 'silent',
    PERIGEE_BODY_BYTES_MAX: '2048',
    PERIGEE_CONNECT_TIMEOUT_MS: '500',
    PERIGEE_FIRST_TOKEN_TIMEOUT_MS: '501',
    PERIGEE_WAITING_TIMEOUT_MS: '502',
    PERIGEE_BETWEEN_TOKENS_TIMEOUT_MS: '503',
    PERIGEE_TOTAL_TIMEOUT_MS: '5004',
    PERIGEE_CONVERSATION_DAYS: '5',
    PERIGEE_REQUEST_LOG_DAYS: '9',
    PERIGEE_CACHE: 'on',
    PERIGEE_CACHE_TTL_SECONDS: '60',
    PERIGEE_CACHE_ENTRIES: '61',
    PERIGEE_CACHE_BYTES: '65536',
    PERIGEE_UPSTASH_URL: 'https://eu1.upstash.example',
    PERIGEE_UPSTASH_TOKEN: 'AXo=',
    PERIGEE_DEV_KEY_REQUESTS_PER_HOUR: '506',
    PERIGEE_ALLOW_INTERNAL_URLS: 'off',
  }
  expect(Object.keys({ ...set, ...OWN }).sort()).toEqual(Object.keys(settingsSchema.shape).sort())
  expect(asRead(prepare({ ...set, OTHER: 'x', PERIGEE_INFERENCE_PORT: '1' }).envFile)).toEqual({
    ...set,
    PERIGEE_INFERENCE_URL: 'http://127.0.0.1:8080',
    PERIGEE_DEFAULT_MODEL: 'm',
    PERIGEE_KEY_SHA256: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
})

test('where the model answers, its name and the key are what npm start says, not the environment', () => {
  const environment = Object.fromEntries(Object.keys(OWN).map((name) => [name, 'of another deployment']))
  expect(workerVariables(environment, OWN)).toEqual({ kind: 'variables', variables: ALONE })
})

test('secrets of deployments are handed on, and nothing that is only named alike', () => {
  const given = { UPSTREAM_OPENAI: 'sk-1', UPSTREAM_lower: 'x', MY_UPSTREAM_KEY: 'x', UPSTREAM_EMPTY: '' }
  expect(workerVariables(given, OWN)).toEqual({ kind: 'variables', variables: { ...ALONE, UPSTREAM_OPENAI: 'sk-1' } })
})

test('an empty variable is one that is not set', () => {
  expect(workerVariables({ PERIGEE_INFERENCE_KEY: '' }, OWN)).toEqual({ kind: 'variables', variables: ALONE })
})

test('a wrong setting is told by name before anything starts, and its value is not repeated', () => {
  for (const wrong of [
    'hunter2',
    "hunter2 ' and ` at once",
    'hunter2 with its end\\',
    'hunter2\nPERIGEE_LOG_LEVEL=debug',
  ]) {
    const result = workerVariables({ PERIGEE_INFERENCE_KEY: wrong }, OWN)
    expect(result).toMatchObject({ kind: 'wrong', message: expect.stringContaining('PERIGEE_INFERENCE_KEY') })
    expect(JSON.stringify(result)).not.toContain('hunter2')
  }
})

// biome-ignore lint/suspicious/noTemplateCurlyInString: what dotenv would expand.
test.each(["it's", 'a`b', '$A', '${A}', '\\$A', '\\\\', '"', '\\n', '#', ' x ', '\\ x'])(
  'what wrangler reads is what was written: %s',
  (value) => {
    const file = join(mkdtempSync(join(tmpdir(), 'perigee-env-')), 'worker.env')
    writeFileSync(file, envFileText({ A: 'other', VALUE: `-${value}-` }))
    expect(asRead(file)).toEqual({ A: 'other', VALUE: `-${value}-` })
    rmSync(file)
  },
)

test('the file of the Worker never holds the key itself', () => {
  const { envFile, key } = prepare({})
  expect(readFileSync(resolve(envFile), 'utf8')).not.toContain(key)
})

test('the secret that signs tokens is made once and survives a restart, unless the environment has another', () => {
  const first = asRead(prepare({}).envFile)
  expect(first.PERIGEE_TOKEN_SECRET).toMatch(/^[\w-]{43}$/)
  expect(asRead(prepare({}).envFile)).toEqual(first)
  const other = 'a secret of at least thirty-two characters'
  expect(asRead(prepare({ PERIGEE_TOKEN_SECRET: other }).envFile)).toEqual({ ...first, PERIGEE_TOKEN_SECRET: other })
  expect(asRead(prepare({}).envFile)).toEqual(first)
  expect(statSync(join(folder, 'token-secret')).mode & 0o777).toBe(0o600)
})
