/**
 * The built Worker in several isolates of one workerd, as Cloudflare runs it in several places: each with a memory of its own, all with the
 * same D1, KV and Durable Objects, which live in the first. Calls lead past Miniflare's own entry.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions, unstable_splitSqlQuery } from 'wrangler'

const ROOT = resolve(import.meta.dirname, '../..')

export type EdgeIsolates = {
  /** One for each isolate. */
  urls: readonly string[]
  stop(): Promise<void>
}

/** `entry`: another than the Worker's own, which exports the same classes. */
export async function edgeIsolates(
  count: number,
  vars: Readonly<Record<string, string>>,
  entry = 'src/worker.ts',
): Promise<EdgeIsolates> {
  const folder = mkdtempSync(join(tmpdir(), 'perigee-isolates-'))
  const script = build(entry, folder)
  const { workerOptions } = unstable_getMiniflareWorkerOptions(join(ROOT, 'wrangler.toml'))
  // Sound: wrangler makes them for Miniflare; its types leave them open.
  const settings = workerOptions as { bindings?: object; durableObjects: Record<string, object> }
  const elsewhere = Object.fromEntries(
    Object.entries(settings.durableObjects).map(([binding, object]) => [binding, { ...object, scriptName: 'edge0' }]),
  )
  const workers = Array.from({ length: count }, (_, index) => ({
    ...settings,
    durableObjects: index === 0 ? settings.durableObjects : elsewhere,
    name: `edge${index}`,
    rootPath: ROOT,
    modules: [{ type: 'ESModule' as const, path: join(ROOT, 'worker.js'), contents: script }],
    bindings: { ...settings.bindings, ...vars },
    stripCfConnectingIp: false,
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
  }))
  // Sound: as above.
  const options = { workers, resourcePersistencePath: join(folder, 'storage'), cf: false } as unknown as Parameters<
    typeof convertV4MiniflareOptions
  >[0]
  const miniflare = new Miniflare(convertV4MiniflareOptions(options))
  const db = await miniflare.getD1Database('DB', 'edge0')
  for (const name of readdirSync(join(ROOT, 'migrations')).sort()) {
    const statements = unstable_splitSqlQuery(readFileSync(join(ROOT, 'migrations', name), 'utf8'))
    await db.batch(statements.map((statement) => db.prepare(statement)))
  }
  const urls = await Promise.all(
    workers.map(async ({ name }) => `http://127.0.0.1:${(await miniflare.unsafeGetDirectURL(name)).port}`),
  )
  return {
    urls,
    async stop() {
      await miniflare.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The bundle as a deployment would upload it. */
function build(entry: string, folder: string): string {
  const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
  const built = spawnSync(process.execPath, [wrangler, 'deploy', entry, '--dry-run', '--minify', '--outdir', folder], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
  })
  if (built.status !== 0) throw new Error(`The Worker could not be built:\n${built.stdout}${built.stderr}`)
  return readFileSync(join(folder, basename(entry).replace(/\.ts$/, '.js')), 'utf8')
}
