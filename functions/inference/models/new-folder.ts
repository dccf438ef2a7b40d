/** A folder that exists when it is complete, and not before. */
import { rmSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { atOurEnd } from './at-our-end.ts'

type Outcome = { ok: boolean }

/** `write` fills a folder beside `out`, which then takes its place. An `out` that has something in it is left alone. */
export async function intoNewFolder<T extends Outcome>(
  out: string,
  write: (folder: string) => Promise<T>,
): Promise<T | { ok: false; message: string }> {
  const folder = resolve(out)
  const fault = await occupied(folder)
  if (fault !== null) return { ok: false, message: fault }
  const firstMade = await mkdir(dirname(folder), { recursive: true })
  const work = await mkdtemp(`${folder}.tmp-`)
  // Ctrl-C in the middle of a large model: nobody would look for its gigabytes under such a name.
  const release = atOurEnd(() => rmSync(work, { recursive: true, force: true }))
  let isDone = false
  try {
    // mkdtemp makes it private; a model baked into an image is read by another user.
    await chmod(work, 0o755)
    const result = await write(work)
    if (!result.ok) return result
    await rmdir(folder).catch(() => {})
    await rename(work, folder)
    isDone = true
    return result
  } finally {
    await rm(work, { recursive: true, force: true })
    release()
    if (!isDone && firstMade !== undefined) await removeEmpty(dirname(folder), firstMade)
  }
}

/** From `folder` up to `last`, as far as nobody has put something there meanwhile. */
async function removeEmpty(folder: string, last: string): Promise<void> {
  for (let at = folder; at.startsWith(last); at = dirname(at)) {
    const isRemoved = await rmdir(at).then(
      () => true,
      () => false,
    )
    if (!isRemoved) return
  }
}

async function occupied(folder: string): Promise<string | null> {
  try {
    return (await readdir(folder)).length > 0 ? `${folder} is not empty. Give --out a folder that is new.` : null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // Sound: readdir throws nothing else.
    if (code === 'ENOENT') return null
    if (code === 'ENOTDIR') return `${folder} is a file. Give --out a folder that is new.`
    throw error
  }
}
