/**
 * A lock between processes that share the cache, as a file beside what it guards. Node has no flock, so a lock is a file made with O_EXCL:
 * its holder touches it, and one whose holder is dead or silent is taken over, so that a crash never needs a person.
 */
import { randomUUID } from 'node:crypto'
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'

type Holder = { pid: number; host: string; token: string }

/** A holder touches its lock this often. */
const TOUCH_EVERY_MS = 5_000
/** Silent this long is dead, also where its process number says nothing: another container, or a number used again after a reboot. */
const SILENT_MS = 60_000
const POLL_EVERY_MS = 200

/** Runs `task` while no other process or call holds `path`; waits as long as the holder lives. `onWait` gets the holder's process id once. */
export async function withFileLock<T>(
  path: string,
  task: () => Promise<T>,
  onWait: (pid: number) => void = () => {},
): Promise<T> {
  const holder: Holder = { pid: process.pid, host: hostname(), token: randomUUID() }
  let told = false
  while (!(await create(path, JSON.stringify(holder)))) {
    const other = await readHolder(path)
    if (other === 'gone') continue
    if (await isDead(path, other)) await remove(path, other)
    else {
      if (!told && other) onWait(other.pid)
      told = true
      await new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS))
    }
  }
  const touch = setInterval(() => {
    const now = new Date()
    // A lock that was taken over is no longer ours to touch; the task's own rename is what keeps the result whole.
    utimes(path, now, now).catch(() => {})
  }, TOUCH_EVERY_MS)
  touch.unref()
  try {
    return await task()
  } finally {
    clearInterval(touch)
    const now = await readHolder(path)
    if (now !== 'gone' && now?.token === holder.token) await rm(path, { force: true })
  }
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' })
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

/** null: the file is there but not (yet) complete. */
async function readHolder(path: string): Promise<Holder | null | 'gone'> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof value !== 'object' || value === null) return null
    const { pid, host, token } = value as Partial<Record<keyof Holder, unknown>> // Each field is checked in the next line.
    return typeof pid === 'number' && typeof host === 'string' && typeof token === 'string'
      ? { pid, host, token }
      : null
  } catch (error) {
    if (isCode(error, 'ENOENT')) return 'gone'
    if (error instanceof SyntaxError) return null
    throw error
  }
}

async function isDead(path: string, holder: Holder | null): Promise<boolean> {
  if (holder && holder.host === hostname() && !isRunning(holder.pid)) return true
  const age = await ageMs(path)
  return age !== null && age > SILENT_MS
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs and belongs to another user.
    return !isCode(error, 'ESRCH')
  }
}

/**
 * Removes a dead holder's lock. Two waiters may see the same dead holder, and the slower must not remove the lock that the faster has made
 * since: so whoever creates the file named after the dead holder's token removes, and looks again before.
 */
async function remove(path: string, dead: Holder | null): Promise<void> {
  const claim = `${path}.${dead?.token ?? 'unreadable'}`
  if (!(await create(claim, ''))) {
    const age = await ageMs(claim)
    // Its maker died between the two lines below.
    if (age !== null && age > SILENT_MS) await rm(claim, { force: true })
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS))
    return
  }
  try {
    const now = await readHolder(path)
    if (now !== 'gone' && now?.token === dead?.token && (await isDead(path, now))) await rm(path, { force: true })
  } finally {
    await rm(claim, { force: true })
  }
}

async function ageMs(path: string): Promise<number | null> {
  try {
    return Date.now() - (await stat(path)).mtimeMs
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
