/** What the sources do when the other side misbehaves. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pullFromHub } from '../../../functions/inference/models/hub-source.ts'
import { extractZipMember } from '../../../functions/inference/models/zip-member.ts'
import { type Answer, fakeHub } from './fake-hub.ts'
import { ENTRY, WEIGHTS } from './small-model.ts'
import { zipArchive } from './zip-archive.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-sources-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function pull(answer: Answer, already = '') {
  const hub = await fakeHub(answer)
  const target = join(await mkdtemp(join(root, 'hub-')), 'file.part')
  if (already) await writeFile(target, already)
  const onBytes = () => {}
  const result = await pullFromHub({ entry: ENTRY, target, onBytes, fetch, endpoint: hub.url, connectTimeoutMs: 200 })
  await hub.close()
  return { result, asked: hub.asked, bytes: await readFile(target).catch(() => null) }
}

test('a Hub that does not answer is given up after the limit', { timeout: 10_000 }, async () => {
  const { result } = await pull(() => {})
  expect(result).toMatchObject({
    ok: false,
    reason: expect.stringMatching(/no answer from 127\.0\.0\.1:\d+ within 0\.2 s/),
  })
})

test('an endless file is cut off at the expected length', async () => {
  const { result, bytes } = await pull((_, response) => {
    response.writeHead(200)
    const more = () => response.destroyed || response.write(WEIGHTS, more)
    more()
  })
  expect(result).toMatchObject({ ok: false, reason: expect.stringContaining('longer than the expected') })
  expect(bytes?.length).toBeLessThanOrEqual(WEIGHTS.length)
})

test('redirects in a circle end', async () => {
  const { result, asked } = await pull((_, response) => response.writeHead(302, { location: '/again' }).end())
  expect(result).toEqual({ ok: false, reason: 'more than 5 redirects' })
  expect(asked).toHaveLength(6)
})

test('a server that refuses the range loses what was there, so that the next attempt is clean', async () => {
  const { result, bytes } = await pull((_, response) => response.writeHead(416).end(), 'something else')
  expect(result).toEqual({ ok: false, reason: 'HTTP 416' })
  expect(bytes).toEqual(Buffer.alloc(0))
})

test('a line that keeps breaking is given up after five resumptions', async () => {
  let sent = 0
  const { result, asked } = await pull((request, response) => {
    const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0)
    response.writeHead(
      from ? 206 : 200,
      from ? { 'content-range': `bytes ${from}-${WEIGHTS.length - 1}/${WEIGHTS.length}` } : {},
    )
    sent = from + 1_000
    response.write(WEIGHTS.subarray(from, sent), () => setTimeout(() => response.destroy(), 20))
  })
  expect(result.ok).toBe(false)
  expect(asked).toHaveLength(6)
})

async function extract(archive: Buffer, member = 'a/b.bin', bytesMax = 1_000_000) {
  const folder = await mkdtemp(join(root, 'zip-'))
  await writeFile(join(folder, 'x.whl'), archive)
  const result = await extractZipMember({
    archive: join(folder, 'x.whl'),
    member,
    target: join(folder, 'out'),
    bytesMax,
  })
  return { result, bytes: result.ok ? await readFile(join(folder, 'out')) : null, files: await readdir(folder) }
}

const content = Buffer.from('weights '.repeat(10_000))
const archive = zipArchive({ first: Buffer.from('1'), 'a/b.bin': content, last: Buffer.from('2') })

test.each([true, false])('a member comes out of an archive as it went in (stored: %j)', async (stored) => {
  const { result, bytes } = await extract(zipArchive({ first: Buffer.from('1'), 'a/b.bin': content }, { stored }))
  expect(result).toEqual({ ok: true })
  expect(bytes).toEqual(content)
})

test('a member that unpacks to more than expected is stopped', async () => {
  const { result } = await extract(archive, 'a/b.bin', 1_000)
  expect(result).toMatchObject({ ok: false, message: expect.stringContaining('longer than the expected 1000 bytes') })
})

test.each([
  { title: 'no archive', bytes: Buffer.from('not a zip') },
  { title: 'an empty file', bytes: Buffer.alloc(0) },
  { title: 'a cut archive', bytes: archive.subarray(0, archive.length - 30) },
  { title: 'an archive without its beginning', bytes: archive.subarray(200) },
])('$title is an error value', async ({ bytes }) => {
  expect((await extract(bytes)).result.ok).toBe(false)
})

test('a missing member is named', async () => {
  const { result } = await extract(archive, 'a/c.bin')
  expect(result).toMatchObject({ ok: false, message: expect.stringContaining('a/c.bin') })
})
