/** What bench:edge compares: each can be started afresh on the server's core in front of an upstream. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { makeApiKey, sha256Hex } from '../../../src/auth/api-key.ts'
import { installPeers, peerFile, peerVersion } from '../peers/install.ts'
import type { Target } from './load.ts'
import type { MiniflareWorker } from './miniflare-worker.ts'
import { MODEL } from './scenario.ts'
import { freePort, lineOf, type Running, startOn, stop } from './server.ts'
import { type WorkerdOptions, workerdConfig } from './workerd-config.ts'

export type Contender = {
  name: 'perigee' | 'unlogged' | 'passthrough' | 'portkey'
  title: string
  start(place: Place): Promise<Started>
}

/** `folder` is empty and thrown away afterwards. */
export type Place = { core: number; folder: string; upstreamUrl: string }
export type Started = Target & { stop(): Promise<void> }

const ROOT = join(import.meta.dirname, '../../..')
export const BUNDLE = join(ROOT, 'dist/worker.js')
/** As in wrangler.toml. */
export const COMPATIBILITY_DATE = '2026-11-01'
const CHAT_PATH = '/v1/chat/completions'

/** The bundle that a deployment would upload, with every binding, and with all that a tenant may have set: see `equip`. */
export function perigee({ isFar = false } = {}): Contender {
  return perigeeWith('perigee', isFar ? 'Perigee, stores 120 ms away' : 'Perigee (workerd)', { isFar })
}

/** The same without the log of requests: what that costs. */
export function unlogged({ isFar = false } = {}): Contender {
  const vars = { PERIGEE_REQUEST_LOG_DAYS: '0' }
  return perigeeWith('unlogged', 'Perigee, no log of requests', { isFar, vars })
}

type Setting = { isFar: boolean; vars?: Readonly<Record<string, string>> }

function perigeeWith(name: Contender['name'], title: string, { isFar, vars }: Setting): Contender {
  build()
  return {
    name,
    title,
    async start({ core, folder, upstreamUrl }) {
      const key = makeApiKey()
      const job: MiniflareWorker = {
        bundle: BUNDLE,
        folder: join(folder, 'storage'),
        isFar,
        vars: {
          PERIGEE_INFERENCE_URL: upstreamUrl,
          PERIGEE_DEFAULT_MODEL: MODEL,
          PERIGEE_KEY_SHA256: sha256Hex(key),
          ...vars,
        },
      }
      const program = join(import.meta.dirname, 'miniflare-worker.ts')
      const running = startOn(core, [process.execPath, program, JSON.stringify(job)])
      const listening = await lineOf(running, running.child.stdout, /^listening (\d+ \d+)$/)
      const [port, pid] = listening.split(' ').map(Number)
      const headers = { authorization: `Bearer ${key}` }
      await equip(`http://127.0.0.1:${port}`, headers)
      return { ...target(running, Number(port)), pid: Number(pid), headers }
    },
  }
}

/** A filter of 1,000 words on both sides, limits, a price and a budget in money: none of them is ever reached. */
async function equip(url: string, headers: Record<string, string>): Promise<void> {
  const words = Array.from({ length: 1_000 }, (_, index) => `forbidden${index}word`)
  const plenty = 1_000_000_000_000
  const settings: [method: string, path: string, body: object][] = [
    ['PUT', '/admin/filters/bench', { action: 'mask', words }],
    ['PUT', `/admin/prices/${MODEL}`, { input: 100_000, output: 400_000 }],
    ['PUT', '/admin/budgets/month-cost', { limit: plenty }],
    ['PUT', '/admin/budgets/month-tokens', { limit: plenty }],
    ['POST', '/admin/limits', { dimension: 'tenant', kind: 'tokens', amount: plenty, window_seconds: 60 }],
    ['POST', '/admin/limits', { dimension: 'key', kind: 'streams', amount: 1_000_000 }],
  ]
  for (const [method, path, body] of settings) {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  }
}

/** The floor: forwards the bytes and looks at nothing. */
export function passthrough(): Contender {
  return {
    name: 'passthrough',
    title: 'bare fetch (workerd)',
    start: (place) =>
      startWorkerd(place, join(import.meta.dirname, 'passthrough.js'), {
        compatibilityDate: COMPATIBILITY_DATE,
        compatibilityFlags: [],
        vars: { UPSTREAM: place.upstreamUrl },
        durableObjects: {},
      }),
  }
}

/** The usual alternative, on Node as its README starts it, without a key check of its own. */
export function portkey(): Contender {
  installPeers()
  return {
    name: 'portkey',
    title: `Portkey ${peerVersion('@portkey-ai/gateway')} (Node)`,
    async start({ core, upstreamUrl }) {
      const port = await freePort()
      const program = peerFile('@portkey-ai/gateway', 'build/start-server.js')
      const running = startOn(core, [process.execPath, program, '--headless', `--port=${port}`], {
        environment: { NODE_ENV: 'production' },
      })
      await lineOf(running, running.child.stdout, /(Ready for connections)/)
      return {
        ...target(running, port),
        headers: {
          authorization: 'Bearer bench',
          'x-portkey-provider': 'openai',
          'x-portkey-custom-host': `${upstreamUrl}/v1`,
        },
      }
    },
  }
}

/** What plain workerd needs to start the bundle; D1 and KV it does not have, and starts without. */
export function bundledWorker(): { module: string; settings: Omit<WorkerdOptions, 'module' | 'storageFolder'> } {
  build()
  return {
    module: BUNDLE,
    settings: {
      compatibilityDate: COMPATIBILITY_DATE,
      compatibilityFlags: ['enable_request_signal', 'request_signal_passthrough'],
      vars: {},
      durableObjects: {},
    },
  }
}

export function emptyWorker(): { module: string; settings: Omit<WorkerdOptions, 'module' | 'storageFolder'> } {
  return {
    module: join(import.meta.dirname, 'empty.js'),
    settings: { compatibilityDate: COMPATIBILITY_DATE, compatibilityFlags: [], vars: {}, durableObjects: {} },
  }
}

/** What is measured is what the sources say now. */
function build(): void {
  const built = spawnSync(process.execPath, [join(ROOT, 'scripts/build-worker.ts')], { stdio: 'inherit' })
  if (built.status !== 0 || !existsSync(BUNDLE)) throw new Error('The Worker could not be built: see above.')
}

/** One module on plain workerd, listening. */
export async function startWorkerd(
  { core, folder }: Place,
  module: string,
  options: Omit<WorkerdOptions, 'module' | 'storageFolder'>,
): Promise<Started> {
  const storageFolder = join(folder, 'storage')
  mkdirSync(storageFolder)
  const name = basename(module)
  cpSync(module, join(folder, name))
  const config = join(folder, 'config.capnp')
  writeFileSync(config, workerdConfig({ ...options, module: name, storageFolder }))
  const running = startOn(core, [workerdBinary(), 'serve', '--experimental', config, '--control-fd=3'], {
    controlPipe: true,
  })
  // stdio[3] is a pipe that the child writes to, and those are readable here.
  const control = running.child.stdio[3] as Readable
  running.child.stdout?.resume()
  const port = await lineOf(running, control, /"event":"listen".*"port":(\d+)/)
  return target(running, Number(port))
}

function target(running: Running, port: number): Started {
  return { pid: running.pid, url: `http://127.0.0.1:${port}${CHAT_PATH}`, headers: {}, stop: () => stop(running) }
}

/** The package's main module is CommonJS and exports the path of the platform's binary as `default`. */
function workerdBinary(): string {
  const exported: { default: string } = createRequire(import.meta.url)('workerd')
  return exported.default
}
