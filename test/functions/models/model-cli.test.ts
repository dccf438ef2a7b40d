/** `npm run models`: what people see, and the exit status that scripts see. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cacheDirectory } from '../../../functions/inference/models/cache-directory.ts'
import { groundFault } from '../../../functions/inference/models/ground-fault.ts'
import { progressWriter } from '../../../functions/inference/models/progress-writer.ts'
import { syntheticGguf } from '../import/synthetic-gguf.ts'
import { writeHuggingFace } from '../import/synthetic-hugging-face.ts'
import { fakePython } from './fake-python.ts'
import { fakeRepository } from './fake-repository.ts'
import { WEIGHTS } from './small-model.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-cli-'))
  await fakePython(root, { stderr: 'ERROR: no index here\n' })
})
afterAll(() => rm(root, { recursive: true, force: true }))

const CLI = join(import.meta.dirname, '../../../functions/inference/models/cli.ts')

const models = (...argv: string[]) => modelsFrom('http://127.0.0.1:9', ...argv)

function modelsFrom(hubUrl: string, ...argv: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  // The first python3 that is found is one that fails.
  const search = `${root}:${process.env.PATH ?? ''}`
  const env = { ...process.env, PERIGEE_CACHE_DIR: root, HF_ENDPOINT: hubUrl, HF_TOKEN: 'hf_secret', PATH: search }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [CLI, ...argv], { env }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode ?? -1, stdout, stderr })
    })
  })
}

test('list shows what is known and whether it is here', async () => {
  expect(await models('list')).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(
      /^smollm2-135m-instruct .*; 98 MB; Apache-2.0; not here yet\n(.+; about \d+ MB; Apache-2.0; not here yet\n){6}all-minilm-l6-v2 .*; 23 MB; Apache-2.0; not here yet\n$/,
    ),
  })
})

test('path of a model that is not here fails and says how to fetch it', async () => {
  expect(await models('path')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('npm run models -- pull smollm2-135m-instruct'),
  })
})

test('report of a model that is not here, and of no runs, says what to do', async () => {
  expect(await models('report')).toMatchObject({ status: 1, stderr: expect.stringContaining('models -- pull') })
  expect(await models('report', '--runs', '0')).toMatchObject({ status: 1, stderr: expect.stringContaining('--runs') })
  expect(await models('report', '--batch', '65')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('--batch'),
  })
  const wrong: [what: string, reason: string][] = [
    [root, 'models -- export'],
    [join(root, 'none'), 'There is no folder'],
    [CLI, 'models -- pull --file'],
    ['all-minilm-l6-v2', 'is an embedding model'],
    ['gpt-9', 'There is no chat model gpt-9 here'],
  ]
  for (const [what, reason] of wrong) {
    expect(await models('report', what)).toMatchObject({ status: 1, stderr: expect.stringContaining(reason) })
  }
})

test('help names every command, as output and not as a failure', async () => {
  for (const word of ['--help', '-h', 'help']) {
    const { status, stdout, stderr } = await models(word)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    for (const command of ['list', 'pull', 'path', 'report', 'export', 'quantize', 'prune']) {
      expect(stdout).toContain(`npm run models -- ${command}`)
    }
  }
})

test('a command that is ended in the middle leaves no half of a model', async () => {
  const source = await writeHuggingFace(join(root, 'ended-hf'), syntheticGguf({ weights: 'F32', embeddings: 'F32' }))
  const text = join(root, 'long.txt')
  await writeFile(text, 'hello world, '.repeat(20_000))
  const out = join(root, 'ended', 'out')
  const argv = [CLI, 'quantize', source, '--bits', '8', '--text', text, '--out', out]
  const quantize = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(quantize, 'exit')
  for await (const line of quantize.stderr) if (String(line).includes('Scoring')) break
  expect(await readdir(join(root, 'ended'))).toHaveLength(1)
  quantize.kill('SIGTERM')
  expect(await ended).toEqual([null, 'SIGTERM'])
  expect(await readdir(join(root, 'ended'))).toEqual([])
})

test('broken ground is told in one sentence, and our own mistakes with their place', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  expect(groundFault(full)).toBe('It failed: the disk is full (ENOSPC).')
  const closed = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES', path: '/x' })
  expect(groundFault(closed)).toBe('/x: there is no permission (EACCES).')
  expect(groundFault(new TypeError('x is undefined'))).toContain('    at ')
  expect(groundFault(new Error('ONNX Runtime: it is damaged'))).toBe('ONNX Runtime: it is damaged')
})

test('export makes a folder, and quantize another of it, which say how to serve them', async () => {
  const source = await writeHuggingFace(join(root, 'hf'), syntheticGguf({ weights: 'F32', embeddings: 'F32' }))
  const out = join(root, 'exported')
  expect(await models('export', source, '--out', out, '--name', 'mine')).toMatchObject({
    status: 0,
    stdout: `mine is ready in ${out}. Serve it: npm run inference -- --model ${out}\n`,
    stderr: expect.stringMatching(/^Reading .*\nExporting mine/),
  })
  const text = join(root, 'text.txt')
  await writeFile(text, 'hello world, '.repeat(9))
  const quantize = ['quantize', source, '--bits', '8', '--text', text, '--out']
  expect(await models(...quantize, join(root, 'quantised'))).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^model +hf-int8, 8 bits\n(.|\n)*perplexity +[\d.]+ before, [\d.]+ after: [+-]/),
    stderr: expect.stringMatching(/Scoring text with the source/),
  })
  const report = await models('report', out, '--runs', '2', '--batch', '3', '--json')
  expect(JSON.parse(report.stdout)).toMatchObject({
    ...{ model: 'mine', inferences: 2, batch: 3, tokens: { prompt: 768, answer: 192 } },
    memoryMib: { residentBefore: expect.any(Number), resident: expect.any(Number) },
  })
  expect(report.stderr).toMatch(/^Measuring /)
  const asJson = await models(...quantize, join(root, 'as-json'), '--json')
  expect(JSON.parse(asJson.stdout)).toMatchObject({ bits: 8, matrices: [{ from: 'F32', to: 'Q8_0' }] })
})

test.each([
  [['export'], '--out DIR'],
  [['export', 'ROOT/none', '--out', 'ROOT/new/out'], 'There is no folder'],
  [['export', 'ROOT/none', '--out', 'ROOT/new/out', '--name', '../x'], 'no name for a model'],
  [['quantize', 'x', '--bits', '8'], '--out DIR'],
  [['quantize', 'x', '--bits', '5', '--out', 'ROOT/new/out'], '--bits must be 4 or 8'],
  [['quantize', 'x', '--bits', '8', '--out', 'ROOT/new/out'], 'no model, file or folder x'],
  [['quantize', 'x', '--bits', '8', '--out', 'ROOT/new/out', '--text', 'ROOT/none'], 'There is no file'],
  [['quantize', 'x', '--bits', '8', '--out', 'ROOT/new/out', '--text', 'ROOT'], 'is no file'],
  [['export', 'ROOT/none', '--out', ''], 'An argument is empty'],
  [['export', 'ROOT/none', '--out', 'ROOT/new/out', '--bits', '8'], 'export takes no --bits'],
  [['export', 'ROOT/none', '--out', '/proc/new'], '(ENOENT)'],
  [['list', 'x'], 'Too many arguments: x'],
  [['prune', '--json'], 'prune takes no --json'],
])('%j says what is wrong, with status 1, and leaves no folder', async (argv, reason) => {
  const { status, stderr } = await models(...argv.map((word) => word.replace('ROOT', root)))
  expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining(reason) })
  expect(stderr).not.toContain('    at ')
  expect(existsSync(join(root, 'new'))).toBe(false)
})

test('pull without any source fails with what was tried', async () => {
  expect(await models('pull')).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/no index here(.|\n)*--file PATH/),
  })
})

test('pull --file imports a file, and says in a log what it is doing', async () => {
  const file = join(root, 'small.gguf')
  await writeFile(file, WEIGHTS)
  const { status, stdout, stderr } = await models('pull', '--file', file)
  expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringMatching(/^small is ready in /) })
  expect(stderr).toMatch(/Verifying .*\nImporting small/)
  expect(stderr).not.toContain('\r')
})

test('a model whose checksum only the Hub knows is pulled, listed and found; so is any file of the Hub', async () => {
  const options = {
    repository: 'Qwen/Qwen3-0.6B-GGUF',
    path: 'Qwen3-0.6B-Q8_0.gguf',
    bytes: WEIGHTS,
    token: 'hf_secret',
  }
  const repository = await fakeRepository(options)
  const byName = await modelsFrom(repository.url, 'pull', 'qwen3-0.6b')
  expect(byName).toMatchObject({ status: 0, stdout: expect.stringMatching(/^qwen3-0\.6b is ready in /) })
  const byFile = await modelsFrom(repository.url, 'pull', 'hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf')
  expect(byFile).toMatchObject({ status: 0, stdout: expect.stringMatching(/^qwen3-0\.6b-q8_0 is ready in /) })
  const said = `${byName.stdout}${byName.stderr}${byFile.stdout}${byFile.stderr}`
  expect(said).toContain('Downloading from the mirror')
  expect(said).not.toContain('hf_secret')
  await repository.close()
  expect((await models('list')).stdout).toMatch(/^qwen3-0\.6b .* about 639 MB; Apache-2\.0; here$/m)
  expect(byName.stdout).toContain((await models('path', 'qwen3-0.6b')).stdout.trim())
})

test('path of what is no model says so', async () => {
  expect(await models('path', 'gpt-9')).toMatchObject({ status: 1, stderr: expect.stringContaining('no model named') })
  expect(await models('path', 'hf:x')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('no file of the Hub'),
  })
})

test.each([[], ['fetch'], ['pull', 'a', 'b'], ['pull', '--force']])(
  '%j is not understood: usage and status 1',
  async (...argv) => {
    expect(await models(...argv)).toMatchObject({ status: 1, stderr: expect.stringContaining('Usage:') })
  },
)

test('a terminal gets a bar that is redrawn in place and never wraps', () => {
  const written: string[] = []
  let now = 0
  const output = { isTTY: true, columns: 60, write: (text: string) => written.push(text) }
  const progress = progressWriter(output, () => now)
  for (let done = 0; done <= 98; done++) {
    now += 10
    progress.show({ phase: 'downloading', detail: 'huggingface.co', done: done * 1e6, total: 98e6 })
  }
  progress.end()
  expect(written.length).toBeLessThan(15)
  expect(written.at(-2)).toBe('\r\u001b[K[########################] Downloading from huggingface.co ')
  for (const text of written) expect(text.length).toBeLessThan(60 + '\r\u001b[K'.length)
  expect(written.at(-1)).toBe('\n')
})

test('the cache is where the variables say, in their order', () => {
  expect(cacheDirectory({ PERIGEE_CACHE_DIR: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a')
  expect(cacheDirectory({ PERIGEE_CACHE_DIR: '', XDG_CACHE_HOME: '/b' })).toBe('/b/perigee')
  expect(cacheDirectory({})).toMatch(/\/\.cache\/perigee$/)
})
