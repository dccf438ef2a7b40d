/** Models of the Hub whose checksum is not built in: pinned when first seen, verified, and never changed under their user. */
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CatalogueEntry } from '../../../functions/inference/models/catalogue.ts'
import { type EnsureModelOptions, ensureModel } from '../../../functions/inference/models/ensure-model.ts'
import { readHubMetadata } from '../../../functions/inference/models/hub-metadata.ts'
import { syntheticGguf } from '../import/synthetic-gguf.ts'
import { type Answer, fakeHub } from './fake-hub.ts'
import { type FakeRepository, fakeRepository, type RepositoryOptions } from './fake-repository.ts'

const FIRST = syntheticGguf({ architecture: 'qwen3', weights: 'Q4_0', embeddings: 'Q8_0' }).file
const SECOND = syntheticGguf({ architecture: 'qwen3', weights: 'Q4_0', embeddings: 'Q8_0', seed: 2 }).file
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const ENTRY: CatalogueEntry = {
  name: 'tiny',
  description: 'random weights',
  licence: 'none',
  file: 'tiny.gguf',
  byteLength: 1e6,
  sha256: null,
  hub: { repository: 'someone/tiny-GGUF', revision: 'main' },
}
const WORD = 'hf:someone/tiny-GGUF/tiny.gguf'

let root: string
let repositories: FakeRepository[]
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-hub-'))
  repositories = []
})
afterEach(async () => {
  await Promise.all(repositories.map((repository) => repository.close()))
  await rm(root, { recursive: true, force: true })
})

async function repository(options: Partial<RepositoryOptions> = {}): Promise<FakeRepository> {
  const made = await fakeRepository({ repository: 'someone/tiny-GGUF', path: 'tiny.gguf', bytes: FIRST, ...options })
  repositories.push(made)
  return made
}

function ensure(url: string, options: EnsureModelOptions = {}, env: Record<string, string> = {}) {
  return ensureModel({
    cacheDir: join(root, 'cache'),
    catalogue: [ENTRY],
    pythons: [],
    env: { HF_ENDPOINT: url, ...env },
    ...options,
  })
}

/** All but the pins. */
async function forgetWeights(): Promise<void> {
  await rm(join(root, 'cache', 'imported'), { recursive: true })
  for (const name of await readdir(join(root, 'cache', 'weights'))) {
    if (name.endsWith('.gguf')) await rm(join(root, 'cache', 'weights', name))
  }
}

const messageOf = (result: Awaited<ReturnType<typeof ensure>>) => (result.ok ? 'it worked' : result.message)

test.each([{ name: 'tiny' }, { hub: WORD }])(
  '%j is fetched by the commit that the Hub named, verified and pinned; afterwards nobody is asked',
  async (options) => {
    const { url, hub, store, commit } = await repository()
    const named = commit(FIRST)
    const first = await ensure(url, options)
    expect(first).toMatchObject({
      ok: true,
      config: { name: 'tiny', architecture: 'qwen3', weightsSha256: digest(FIRST) },
    })
    expect(hub.asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'HEAD /someone/tiny-GGUF/resolve/main/tiny.gguf',
      `GET /someone/tiny-GGUF/resolve/${named}/tiny.gguf`,
    ])
    expect(await ensure('http://127.0.0.1:9', options)).toEqual(first)
    expect(hub.asked.length + store.asked.length).toBe(3)
    const pin = (await readdir(join(root, 'cache', 'weights'))).find((name) => name.endsWith('.pin.json')) ?? ''
    expect(JSON.parse(await readFile(join(root, 'cache', 'weights', pin), 'utf8'))).toMatchObject({
      repository: 'someone/tiny-GGUF',
      revision: 'main',
      path: 'tiny.gguf',
      sha256: digest(FIRST),
      byteLength: FIRST.length,
      commit: named,
    })
  },
)

test('a branch that moves does not move the model', async () => {
  const { url, commit } = await repository()
  expect((await ensure(url, { name: 'tiny' })).ok).toBe(true)
  await forgetWeights()
  commit(SECOND, { keepOld: true })
  expect(await ensure(url, { name: 'tiny' })).toMatchObject({ ok: true, config: { weightsSha256: digest(FIRST) } })
})

test('a file that was replaced is refused, with the flag that takes it; with the flag it is taken and pinned', async () => {
  const { url, commit } = await repository()
  expect((await ensure(url, { name: 'tiny' })).ok).toBe(true)
  await forgetWeights()
  commit(SECOND)
  const refused = await ensure(url, { name: 'tiny' })
  expect(refused).toMatchObject({ ok: false, code: 'unreachable' })
  expect(messageOf(refused)).toMatch(/no such revision(.|\n)*--accept-changed/)
  const changed = { ok: true, config: { weightsSha256: digest(SECOND) } }
  expect(await ensure(url, { name: 'tiny', acceptChanged: true })).toMatchObject(changed)
  expect(await ensure('http://127.0.0.1:9', { name: 'tiny' })).toMatchObject(changed)
})

test('a Hub that announces another file than the pinned one is refused before a byte of it is fetched', async () => {
  const { url, commit, store } = await repository()
  const held = `${WORD}@main`
  const path = join(root, 'given.gguf')
  await writeFile(path, FIRST)
  // Pinned from a user's file: no commit is known, so the branch itself is asked for.
  expect((await ensure(url, { hub: held, path })).ok).toBe(true)
  await forgetWeights()
  commit(SECOND)
  const refused = await ensure(url, { hub: held })
  expect(messageOf(refused)).toContain(
    `another file there now, with the SHA-256 ${digest(SECOND)} and not ${digest(FIRST)}`,
  )
  expect(store.asked).toEqual([])
})

test('what arrives must be what was announced', async () => {
  const wrong = Buffer.from(FIRST)
  wrong[wrong.length - 1] = (wrong[wrong.length - 1] ?? 0) ^ 1
  const { url } = await repository({ storeSends: wrong })
  const result = await ensure(url, { name: 'tiny' })
  expect(messageOf(result)).toMatch(/SHA-256 is [0-9a-f]{64} and not [0-9a-f]{64}, so it was deleted/)
  expect((await readdir(join(root, 'cache', 'weights'))).filter((name) => !name.endsWith('.pin.json'))).toEqual([])
})

test("a user's file holds for a model without a checksum, and another is refused unless the flag says otherwise", async () => {
  const path = join(root, 'mine.gguf')
  await writeFile(path, FIRST)
  const offline = 'http://127.0.0.1:9'
  const first = await ensure(offline, { name: 'tiny', path })
  expect(first).toMatchObject({ ok: true, config: { name: 'tiny' } })
  expect(await ensure(offline, { name: 'tiny' })).toEqual(first)
  await writeFile(path, SECOND)
  const refused = await ensure(offline, { name: 'tiny', path })
  expect(refused).toMatchObject({ ok: false, code: 'wrong_file', message: expect.stringContaining('--accept-changed') })
  expect(await ensure(offline, { name: 'tiny', path, acceptChanged: true })).toMatchObject({
    ok: true,
    config: { weightsSha256: digest(SECOND) },
  })
})

test('a file that cannot be imported is not pinned', async () => {
  const path = join(root, 'broken.gguf')
  await writeFile(path, FIRST.subarray(0, 100))
  expect(await ensure('http://127.0.0.1:9', { name: 'tiny', path })).toMatchObject({ ok: false, code: 'file_unusable' })
  const { url } = await repository()
  expect((await ensure(url, { name: 'tiny' })).ok).toBe(true)
})

test('HF_TOKEN opens a gated repository, goes to the Hub alone, and is in no message', async () => {
  const { url, hub, store } = await repository({ token: 'hf_secret' })
  const without = await ensure(url, { name: 'tiny' })
  expect(messageOf(without)).toContain('HTTP 401: the repository wants its terms accepted')
  const wrong = await ensure(url, { name: 'tiny' }, { HF_TOKEN: 'hf_wrong' })
  expect(messageOf(wrong)).not.toContain('hf_wrong')
  const broken = await ensure(url, { name: 'tiny' }, { HF_TOKEN: 'hf_one\nhf_two' })
  expect(messageOf(broken)).toContain('HF_TOKEN has characters that no token has')
  expect(messageOf(broken)).not.toMatch(/hf_one|hf_two/)
  hub.asked.length = 0
  expect((await ensure(url, { name: 'tiny' }, { HF_TOKEN: 'hf_secret\n' })).ok).toBe(true)
  expect(hub.asked.map(({ authorization }) => authorization)).toEqual(['Bearer hf_secret', 'Bearer hf_secret'])
  expect(store.asked.map(({ authorization }) => authorization)).toEqual([undefined])
})

test('a repository that was renamed is found, and a file in a folder too', async () => {
  const { url } = await repository({ path: 'sub-folder/tiny.gguf' })
  expect((await ensure(url, { hub: 'hf:old/tiny-GGUF/sub-folder/tiny.gguf' })).ok).toBe(true)
})

test.each([
  { hub: 'hf:someone/tiny-GGUF/other.gguf', reason: 'the repository has no such file' },
  { hub: `${WORD}@v2`, reason: 'the repository has no such revision' },
  { hub: 'hf:someone/else/tiny.gguf', reason: 'there is no such repository, or it is private' },
])('$hub: $reason', async ({ hub, reason }) => {
  const { url } = await repository()
  const result = await ensure(url, { hub })
  expect(result).toMatchObject({ ok: false, code: 'unreachable' })
  expect(messageOf(result)).toContain(reason)
})

test.each([
  'hf:',
  'hf:tiny.gguf',
  'hf:someone/tiny.gguf',
  'hf:someone/tiny/tiny.bin',
  'hf:someone/../tiny.gguf',
  'hf:someone/tiny/../../x.gguf',
  'hf:someone/tiny//x.gguf',
  'hf:some one/tiny/x.gguf',
  'hf:someone/tiny/x.gguf@',
  'hf:someone/tiny/x.gguf@a@b',
  'hf:someone/tiny/x.gguf?download=true',
  'hf:someone/tiny/x-00001-of-00003.gguf',
])('%s is refused without asking anyone', async (hub) => {
  const { url, hub: server } = await repository()
  expect(await ensure(url, { hub })).toMatchObject({
    ok: false,
    code: 'unknown_model',
    message: expect.stringContaining(hub),
  })
  expect(server.asked).toEqual([])
})

async function metadata(answer: Answer) {
  const server = await fakeHub(answer)
  const hub = { ...ENTRY.hub, path: ENTRY.file }
  const result = await readHubMetadata({ hub, fetch, endpoint: server.url, timeoutMs: 200 })
  await server.close()
  return result.ok ? result.metadata : result.reason
}

test('a Hub that says nothing, too little, or nothing sensible is a reason', { timeout: 10_000 }, async () => {
  expect(await metadata(() => {})).toMatch(/no answer from 127\.0\.0\.1:\d+ within 0\.2 s/)
  expect(await metadata((_, response) => response.writeHead(302, { location: '/again' }).end())).toBe(
    'more than 5 redirects',
  )
  expect(await metadata((_, response) => response.writeHead(503).end())).toBe('HTTP 503')
  // A small file has the SHA-1 of Git for a tag.
  expect(await metadata((_, response) => response.writeHead(200, { etag: `"${'a'.repeat(40)}"` }).end())).toContain(
    'does not name',
  )
  const headers = { 'x-linked-etag': `"${'a'.repeat(64)}"`, 'x-linked-size': 'much' }
  expect(await metadata((_, response) => response.writeHead(200, headers).end())).toContain('does not name')
})
