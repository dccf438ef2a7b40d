import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { importedFolder } from '../../../functions/inference/models/import-once.ts'
import { IMPORTER_VERSION } from '../../../functions/inference/models/model-config.ts'
import { pruneImports } from '../../../functions/inference/models/prune-imports.ts'

const CLI = join(import.meta.dirname, '../../../functions/inference/models/cli.ts')
const DIGEST = 'b179c9523d0e'

let root: string
let imported: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-prune-'))
  imported = join(root, 'imported')
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function put(name: string, sizes: Record<string, number>) {
  for (const [file, size] of Object.entries(sizes)) {
    const path = join(imported, name, file)
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, Buffer.alloc(size))
  }
}
const run = (...argv: string[]) =>
  execFileSync(process.execPath, [CLI, 'prune', ...argv], {
    env: { ...process.env, PERIGEE_CACHE_DIR: root },
  }).toString()
const OLD = `smollm-${DIGEST}-importer${IMPORTER_VERSION - 1}`

/** What must stay: of this version, of a newer one, of the embedding model, work in progress, a user's own. */
async function putCurrent() {
  const current = importedFolder(root, 'smollm', DIGEST.repeat(6)).slice(imported.length + 1)
  const kept = [current, `${current}.tmp-AbC123`, `smollm-${DIGEST}-importer${IMPORTER_VERSION + 1}`]
  kept.push(`minilm-${DIGEST}-embedding1`, 'my-importer1', `x-${DIGEST}-importer1-notes`)
  for (const name of kept) await put(name, { 'weights.bin': 7 })
  await writeFile(join(imported, `y-${DIGEST}-importer1`), 'a file')
  await symlink(join(imported, current), join(imported, `z-${DIGEST}-importer1`))
  return [...kept, `y-${DIGEST}-importer1`, `z-${DIGEST}-importer1`].sort()
}

test('prune removes what older importers made, with what they left, and says how many bytes; all else stays', async () => {
  const kept = await putCurrent()
  await put(OLD, { 'weights.bin': 1_000, 'deep/er/config.json': 234 })
  await put(`${OLD}.tmp-AbC123`, { 'weights.bin': 6 })
  await put(`${OLD}.tmp-pruned`, { 'weights.bin': 0 })
  const before = (await readdir(imported)).sort()
  const said = `${OLD}  1,234 bytes\n${OLD}.tmp-AbC123  6 bytes\n${OLD}.tmp-pruned  0 bytes\n3 folders`
  expect(run('--dry-run')).toBe(`${said} would be removed, 1,240 bytes\n`)
  expect((await readdir(imported)).sort()).toEqual(before)
  expect(run()).toBe(`${said} removed, 1,240 bytes\n`)
  expect((await readdir(imported)).sort()).toEqual(kept)
  expect(run()).toBe(`There is nothing to remove: no folder in ${imported} was made by an older importer.\n`)
})

test('where nothing was ever imported there is nothing to remove', () => {
  expect(run()).toContain('nothing to remove')
})

test('a folder that cannot be removed is told, and the others are removed', async () => {
  await put(`a-${DIGEST}-importer1`, { 'weights.bin': 5 })
  await put(`b-${DIGEST}-importer1`, { 'weights.bin': 5 })
  // A lock that cannot be made, whoever runs the test.
  await mkdir(join(imported, `a-${DIGEST}-importer1.lock`))
  expect(await pruneImports(root, { isDryRun: false })).toMatchObject({
    removed: [{ name: `b-${DIGEST}-importer1`, bytes: 5 }],
    failed: [{ name: `a-${DIGEST}-importer1`, reason: expect.stringContaining('EISDIR') }],
  })
})
