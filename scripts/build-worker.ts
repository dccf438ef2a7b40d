/** `npm run build`: bundles the Worker into dist/ exactly as a deployment would, and says how large it is. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const root = join(import.meta.dirname, '..')
const built = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/wrangler/bin/wrangler.js'),
    'deploy',
    '--dry-run',
    '--minify',
    '--outdir',
    join(root, 'dist'),
  ],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, WRANGLER_SEND_METRICS: 'false' } },
)
if (built.status === 0) {
  const bundle = readFileSync(join(root, 'dist/worker.js'))
  console.log(`dist/worker.js: ${kib(bundle.length)} KiB, ${kib(gzipSync(bundle, { level: 9 }).length)} KiB gzipped`)
}
process.exitCode = built.status ?? 1

function kib(bytes: number): string {
  return (bytes / 1_024).toFixed(1)
}
