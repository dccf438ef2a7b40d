/**
 * Serves the built Worker in workerd with all its bindings, D1 and KV too, without wrangler's proxy: Miniflare writes the configuration and
 * starts workerd, and a socket of the Worker's own leads past Miniflare's entry. Run by contenders.ts, pinned to the server's core.
 *
 *     node miniflare-worker.ts '{"bundle": FILE, "folder": DIR, "vars": {...}}'
 *
 * Prints `listening PORT PID` once the tables are there; the PID is workerd's, whose time and memory count.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions, unstable_splitSqlQuery } from 'wrangler'

export type MiniflareWorker = {
  bundle: string
  /** Where objects and databases are stored. */
  folder: string
  vars: Readonly<Record<string, string>>
  /** Whether test/support/distance.ts lies between the Worker and its stores. */
  isFar?: boolean
}

const ROOT = join(import.meta.dirname, '../../..')

/**
 * On Cloudflare the Cache API costs no CPU time of the Worker. Here Miniflare's double of it, a Worker with a database in the same process,
 * would be measured instead of ours; so there is one that never has anything.
 */
const HEAD = `const none = { match: async () => undefined, put: async () => undefined, delete: async () => false }
Object.defineProperty(globalThis, 'caches', { value: { default: none, open: async () => none } })
export * from './worker.js'
`
const NEAR = "export { default } from './worker.js'\n"
/** The same env for each request, for the wiring is made once for an env. Objects have their stores beside them. */
const FAR = `import { distance } from './distance.js'
import worker from './worker.js'
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
let far
export default {
  fetch(request, env, context) {
    far ??= distance({ nowMs: Date.now, sleep }).env(env)
    return worker.fetch(request, far, context)
  },
}
`

const [text] = process.argv.slice(2)
// Sound: contenders.ts made it.
const { bundle, folder, vars, isFar = false } = JSON.parse(text ?? '') as MiniflareWorker
const { workerOptions } = unstable_getMiniflareWorkerOptions(join(ROOT, 'wrangler.toml'))
// Sound: wrangler makes them for Miniflare; its types leave them open.
const settings = workerOptions as Parameters<typeof convertV4MiniflareOptions>[0] & { bindings?: object }
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    ...settings,
    name: 'perigee',
    rootPath: ROOT,
    modules: [
      { type: 'ESModule', path: join(ROOT, 'entry.js'), contents: HEAD + (isFar ? FAR : NEAR) },
      ...(isFar ? [{ type: 'ESModule' as const, path: join(ROOT, 'distance.js'), contents: distanceModule() }] : []),
      { type: 'ESModule', path: join(ROOT, 'worker.js'), contents: readFileSync(bundle, 'utf8') },
    ],
    bindings: { ...settings.bindings, ...vars },
    // Miniflare would put a Worker of its own before each outbound call.
    stripCfConnectingIp: false,
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
    resourcePersistencePath: folder,
    cf: false,
  }),
)
const db = await miniflare.getD1Database('DB')
const migrations = readdirSync(join(ROOT, 'migrations')).sort()
for (const name of migrations) {
  const statements = unstable_splitSqlQuery(readFileSync(join(ROOT, 'migrations', name), 'utf8'))
  await db.batch(statements.map((statement) => db.prepare(statement)))
}
const { port } = await miniflare.unsafeGetDirectURL()
console.log(`listening ${port} ${childOf(process.pid)}`)
process.on('SIGTERM', () => {
  miniflare.dispose().finally(() => process.exit(0))
})

function distanceModule(): string {
  return stripTypeScriptTypes(readFileSync(join(ROOT, 'test/support/distance.ts'), 'utf8'))
}

/** The one child: Miniflare starts nothing but workerd. */
function childOf(pid: number): number {
  const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  if (child === '') throw new Error('workerd does not run.')
  return Number(child)
}
