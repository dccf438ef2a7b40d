/** `npm start -- --no-inference --upstream`: somebody else's models behind the built Worker, with the official client. */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type MockProvider, mockProvider } from '../support/mock-provider.ts'
import { makeStateDir, type Stack, startStack } from '../support/stack.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const KEY = 'sk-mock-of-$omebody'
const MODELS = ['gpt-4o-mini', 'models/gemini-x', 'meta-llama/Llama-3.3-70B']
const state = makeStateDir()
const folder = mkdtempSync(join(tmpdir(), 'perigee-upstream-'))
const cacheDir = join(folder, 'cache')
let provider: MockProvider
let stack: Stack

const start = (args: readonly string[], settings: Record<string, string>) =>
  startStack(state.path, undefined, { PERIGEE_CACHE_DIR: cacheDir, ...settings }, ['--no-inference', ...args])
const startUpstream = () =>
  start(['--upstream', `${provider.url}/v1`, '--upstream-key-env', 'THE_KEY'], { THE_KEY: KEY })

beforeAll(async () => {
  provider = await mockProvider({ key: KEY, models: MODELS })
  stack = await startUpstream()
})
afterAll(async () => {
  await stack?.stop()
  await provider?.close()
  state.remove()
  rmSync(folder, { recursive: true, force: true })
})

async function ask<Answer>(path: string): Promise<Answer> {
  const response = await fetch(`${stack.url}${path}`, { headers: { authorization: `Bearer ${stack.key}` } })
  return (await response.json()) as Answer
}

async function say(model: string): Promise<string | null | undefined> {
  const openai = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: stack.key, maxRetries: 0 })
  const { choices } = await openai.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hi' }] })
  return choices[0]?.message.content
}

async function versions(): Promise<number[]> {
  const { data } = await ask<{ data: { version: number }[] }>('/admin/config/versions')
  return data.map(({ version }) => version)
}

test('what the upstream lists can be asked, by the official client and by the line that is printed', async () => {
  const { data } = await ask<{ data: { id: string }[] }>('/v1/models')
  expect(data.map(({ id }) => id)).toEqual(['gpt-4o-mini', 'gemini-x', 'meta-llama/Llama-3.3-70B'])
  expect(await say('gemini-x')).toBe('models/gemini-x was asked: Hi')
  const line = stack
    .output()
    .split('\n')
    .find((text) => text.startsWith('curl '))
  const { stdout } = await promisify(execFile)('bash', ['-c', `${line} --silent --show-error`])
  expect(stdout).toContain('gpt-4o-mini was asked: What is 7 + 5?')
})

test('a request that names no model is given the upstream’s first', async () => {
  const response = await fetch(`${stack.url}/chat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ message: 'Hi', user_id: 'me' }),
  })
  expect(await response.json()).toMatchObject({ model_used: 'gpt-4o-mini', response: 'gpt-4o-mini was asked: Hi' })
})

test('no model and no runtime of one is fetched, loaded or started', () => {
  expect(stack.processes('functions/inference')).toEqual([])
  expect(existsSync(cacheDir)).toBe(false)
  // Other systems do not tell what a process has loaded.
  for (const pid of process.platform === 'linux' ? stack.processes('workerd') : []) {
    expect(readFileSync(`/proc/${pid}/maps`, 'utf8')).not.toContain('onnxruntime')
  }
})

test('the upstream’s key is in one file, which is its owner’s alone', () => {
  expect(stack.output()).not.toContain('sk-mock')
  expect(statSync(join(state.path, 'worker.env')).mode & 0o777).toBe(0o600)
  const others = readdirSync(state.path, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name !== 'worker.env',
  )
  expect(others.length).toBeGreaterThan(3)
  for (const { parentPath, name } of others)
    expect(readFileSync(join(parentPath, name)).includes('sk-mock')).toBe(false)
})

test('a second start changes nothing, makes no version, and keeps what was stored', async () => {
  expect(await versions()).toEqual([1])
  await stack.stop()
  stack = await startUpstream()
  expect(await versions()).toEqual([1])
  expect(await say('gpt-4o-mini')).toBe('gpt-4o-mini was asked: Hi')
})

test('an imported LiteLLM file is served by --config; one that is refused stops the start with the reasons', async () => {
  await stack.stop()
  const theirs = join(folder, 'litellm.yaml')
  const ours = join(folder, 'perigee.yaml')
  writeFileSync(
    theirs,
    `model_list: [{ model_name: fast, litellm_params: { model: openai/gpt-4o-mini, api_base: "${provider.url}/v1", api_key: os.environ/THE_KEY, rpm: 60 } }]`,
  )
  const report = execFileSync(process.execPath, [join(ROOT, 'scripts/config.ts'), 'import', theirs, ours], {
    encoding: 'utf8',
  })
  expect(report).toMatch(
    /1 models, 1 deployments: fast[\s\S]*UPSTREAM_THE_KEY[\s\S]*model_list\.0\.litellm_params\.rpm/,
  )
  await expect(start(['--config', ours], {})).rejects.toThrow(
    /deployments\.fast\.secret must name a secret that the Worker has/,
  )
  stack = await start(['--config', ours], { UPSTREAM_THE_KEY: KEY })
  expect(await say('fast')).toBe('gpt-4o-mini was asked: Hi')
  expect(stack.output()).toContain('Model  fast')
})
