/**
 * In place of engine-child.ts: the first to be started hangs in native code, as loading a model could, and hears no signal but SIGKILL and
 * no disconnect; the next ones are ready. Which it is, a file in the model's folder tells.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const { folder } = JSON.parse(process.argv[2] ?? '{}') as { folder: string }
const marker = join(folder, 'has-hung')
if (!existsSync(marker)) {
  writeFileSync(marker, String(process.pid))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
process.on('disconnect', () => process.exit(0))
process.send?.({ type: 'ready', ortVersion: 'none', loadMs: 0, adapters: [] })
