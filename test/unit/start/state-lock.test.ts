/** Two npm starts on one state folder would write one set of conversations. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { LOCK_FILE, withStateLock } from '../../../scripts/start/state-lock.ts'

const folder = mkdtempSync(join(tmpdir(), 'perigee-lock-'))
const lock = join(folder, LOCK_FILE)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a folder in use is refused at once, with who uses it; afterwards it is free', async () => {
  const held = await withStateLock(folder, async () => {
    expect(await withStateLock(folder, async () => 'twice')).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining(`process ${process.pid}`),
    })
    return 'once'
  })
  expect(held).toEqual({ kind: 'done', result: 'once' })
  expect(existsSync(lock)).toBe(false)
})

test('the lock of a process that is gone is taken over', async () => {
  const { pid } = spawnSync(process.execPath, ['--version'])
  writeFileSync(lock, JSON.stringify({ pid, host: hostname(), token: 'of the dead' }))
  expect(await withStateLock(folder, async () => 'next')).toEqual({ kind: 'done', result: 'next' })
})

test('a failure of what runs is passed on, and frees the folder', async () => {
  await expect(withStateLock(folder, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  expect(existsSync(lock)).toBe(false)
})
