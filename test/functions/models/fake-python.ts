/** An executable that behaves as `python3 -m pip download` does: it leaves a wheel in --dest, or fails with pip's words. */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export async function fakePython(folder: string, behaviour: { wheel: Buffer } | { stderr: string }): Promise<string> {
  const path = join(folder, 'python3')
  const log = join(folder, 'python3.log')
  let work = ''
  if ('wheel' in behaviour) {
    await writeFile(join(folder, 'fake.whl'), behaviour.wheel)
    work = `while [ "$1" != --dest ]; do shift; done\ncp '${join(folder, 'fake.whl')}' "$2/fake-1.0-py3-none-any.whl"`
  } else {
    await writeFile(join(folder, 'stderr.txt'), behaviour.stderr)
    work = `cat '${join(folder, 'stderr.txt')}' >&2\nexit 1`
  }
  await writeFile(path, `#!/bin/sh\necho "$@" >> '${log}'\n${work}\n`)
  await chmod(path, 0o755)
  return path
}
