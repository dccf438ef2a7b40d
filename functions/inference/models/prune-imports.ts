/** Removes what older importers have made: nobody reads it any more, and each is as large as its model. */
import { randomUUID } from 'node:crypto'
import { lstat, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { withFileLock } from './file-lock.ts'
import { IMPORTER_VERSION } from './model-config.ts'

/** As import-once.ts names folders, and what a killed import or a killed removal leaves beside them. */
const IMPORTED = /^.+-[0-9a-f]{12}-importer(\d{1,6})(\.tmp-\w+)?$/

export type Pruned = {
  /** The folder that was looked through. */
  folder: string
  removed: { name: string; bytes: number }[]
  /** What could not be removed, and why. */
  failed: { name: string; reason: string }[]
}

/**
 * Only folders of importers older than ours: one that a newer checkout made is that checkout's current one, since all of a user's share them.
 * @param isDryRun says what would be removed, and removes nothing
 */
export async function pruneImports(cacheDir: string, { isDryRun }: { isDryRun: boolean }): Promise<Pruned> {
  const folder = join(cacheDir, 'imported')
  const pruned: Pruned = { folder, removed: [], failed: [] }
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const entry of entries.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    const version = IMPORTED.exec(entry.name)?.[1]
    // A link is somebody's own arrangement.
    if (version === undefined || Number(version) >= IMPORTER_VERSION || !entry.isDirectory()) continue
    const path = join(folder, entry.name)
    try {
      const bytes = await bytesOf(path)
      if (!isDryRun) await remove(path)
      pruned.removed.push({ name: entry.name, bytes })
    } catch (error) {
      pruned.failed.push({ name: entry.name, reason: error instanceof Error ? error.message : String(error) })
    }
  }
  return pruned
}

/** Under the lock of the folder: an older checkout may be at it. Away with its name first, so that a half of it is never found under that. */
async function remove(path: string): Promise<void> {
  const final = path.replace(/\.tmp-\w+$/, '')
  await withFileLock(`${final}.lock`, async () => {
    const doomed = path === final ? `${path}.tmp-${randomUUID().slice(0, 8)}` : path
    if (doomed !== path) await rename(path, doomed)
    await rm(doomed, { recursive: true, force: true })
  })
}

async function bytesOf(path: string): Promise<number> {
  const found = await lstat(path)
  if (!found.isDirectory()) return found.size
  let bytes = 0
  for (const name of await readdir(path)) bytes += await bytesOf(join(path, name))
  return bytes
}
