/** Runs `pip download`, says how far it is, and takes it along when this process ends. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { atOurEnd } from './at-our-end.ts'

/** A hundred megabytes over a slow line. */
const PIP_TIMEOUT_MS = 900_000
const OUTPUT_CHARS_MAX = 20_000
const LOOK_EVERY_MS = 200

const FLAGS = [
  ...['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input'],
  // Its bar is for terminals, and another in every version.
  ...['--progress-bar', 'off'],
]

export type PipOutcome = 'missing' | { ok: true } | { ok: false; message: string }

/**
 * Leaves the wheel in `folder`. pip tells the size before it downloads, and how far it is tells the file that grows: so it is given a place for
 * temporary files in `folder`, which goes with that when pip is killed.
 * @param requirement as in `name==1.0`
 * @param onBytes `total` is what pip says it is, to three digits; 0 while it has said nothing
 */
export async function pipDownload(
  python: string,
  requirement: string,
  folder: string,
  onBytes: (done: number, total: number) => void,
): Promise<PipOutcome> {
  const temporary = join(folder, 'tmp')
  await mkdir(temporary, { recursive: true })
  return new Promise((resolve) => {
    // Before pip begins: a signal that came between the two would end us and leave pip.
    let child: ChildProcessByStdio<null, Readable, Readable> | undefined
    const release = atOurEnd(() => child?.kill('SIGKILL'))
    child = spawn(python, ['-m', 'pip', 'download', requirement, ...FLAGS, '--dest', folder], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PIP_TIMEOUT_MS,
      env: { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary },
    })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] = (output[name] + text).slice(-OUTPUT_CHARS_MAX)
      })
    }
    let done = 0
    const looking = setInterval(async () => {
      // Less, when pip moves the wheel to its place.
      done = Math.max(done, await bytesIn(folder))
      if (child.exitCode === null && child.signalCode === null) onBytes(done, announcedBytes(output.stdout))
    }, LOOK_EVERY_MS)
    const end = (outcome: PipOutcome) => {
      clearInterval(looking)
      release()
      resolve(outcome)
    }
    child.on('error', () => end('missing'))
    child.on('close', (status, signal) => {
      if (status === 0) return end({ ok: true })
      if (signal) return end({ ok: false, message: `pip was stopped (${signal})` })
      const lines = output.stderr.split('\n').map((line) => line.trim())
      const reason = lines.findLast((line) => line.startsWith('ERROR')) ?? lines.findLast((line) => line !== '')
      end({ ok: false, message: reason ? `pip: ${reason}` : `pip ended with status ${status}` })
    })
  })
}

const UNITS: Record<string, number> = { bytes: 1, kB: 1e3, MB: 1e6, GB: 1e9 }

/** Of `Downloading x-1.0-py3-none-any.whl (92.9 MB)`; pip may ask for metadata, in smaller files, before. 0 where it says nothing of the kind. */
export function announcedBytes(stdout: string): number {
  const [, amount = '', unit = ''] =
    /(?:Downloading|Using cached) \S+\.whl \(([\d.]+) (bytes|kB|MB|GB)\)/.exec(stdout) ?? []
  return Math.round(Number(amount) * (UNITS[unit] ?? 0))
}

/** Files come and go while they are looked at. */
async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const sizes = names.map((name) =>
    stat(join(folder, name)).then(
      (it) => (it.isFile() ? it.size : 0),
      () => 0,
    ),
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
