/**
 * `npm run bench:one-tenant`: how busy one tenant's objects are at 5,000 requests/s over 50 isolates. A simulation of the real gate under
 * virtual time says what they are asked (test/support/one-tenant/); the real objects in workerd are asked the same and their CPU time is
 * read from outside. Calls a second times CPU time a call is what an object, which is one thread, is busy.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { startWorkerd } from './edge/contenders.ts'
import { allowedCores, pickCores, stayOn } from './measure/cores.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { cpuMs } from './measure/process-tree.ts'
import { round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

const TRAFFIC = { seed: 1, requestsPerSecond: 5_000, isolates: 50, seconds: 8 }
/** Isolates have their leases by then. */
const WARM_MS = 3_000
/** How often the calls are made again, so that there is some CPU time to read in steps of 10 ms. */
const TIMES = { LIMITS: 40, BUDGET: 1 }

type Asked = { atMs: number; owner: string; method: string; args: unknown[] }
type Recorded = {
  limitCalls: Asked[]
  ledgerCalls: { atMs: number; report: { usage: unknown[] } }[]
  waits: { atMs: number; waitedMs: number }[]
}
type Objects = 'LIMITS' | 'BUDGET'

await runBench('bench:one-tenant', ['limits', 'ledger'], async (options) => {
  const cores = pickCores(allowedCores())
  if (process.platform !== 'linux' || !cores) throw new Error('It needs Linux and two cores.')
  stayOn(cores.load)
  const folder = mkdtempSync(join(tmpdir(), 'perigee-bench-'))
  try {
    const recorded = record(folder)
    const module = await bundle(folder)
    const figures: Record<string, object> = {}
    const rows: string[][] = []
    for (const { name, object, calls } of busiestObjects(recorded)) {
      if (options.only.length > 0 && !options.only.includes(name)) continue
      const perSecond = mostASecond(calls)
      const costs: number[] = []
      for (let at = 0; at < options.alternations; at++) {
        costs.push(await cpuMsPerCall(cores.server, mkdtempSync(join(folder, name)), module, object, calls))
      }
      // Noise only ever adds.
      const cpu = Math.min(...costs)
      const busy = (perSecond * cpu) / 1_000
      figures[name] = { callsPerSecond: perSecond, cpuMsPerCall: round(cpu, 3), busyShare: round(busy, 4) }
      rows.push([name, String(perSecond), String(round(cpu, 3)), `${(100 * busy).toFixed(1)} %`])
    }
    console.log(table(['object', 'calls/s', 'CPU ms/call', 'busy'], rows))
    const waits = recorded.waits
      .flatMap(({ atMs, waitedMs }) => (atMs >= WARM_MS ? [waitedMs] : []))
      .sort((a, b) => a - b)
    const at = (share: number) => waits.at(Math.floor(share * waits.length)) ?? 0
    const waited = { requests: waits.length, p50Ms: at(0.5), p99Ms: at(0.99), mostMs: waits.at(-1) ?? 0 }
    console.log(
      `\nOf ${waited.requests} warm requests half waited ${waited.p50Ms} ms for stores, 99 of 100 at most ${waited.p99Ms} ms, all at most ${waited.mostMs} ms.`,
    )
    conclude(
      'one-tenant',
      { figures: { ...TRAFFIC, alternations: options.alternations, waited, ...figures }, ratios: {} },
      options,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

function record(folder: string): Recorded {
  const file = join(folder, 'recorded.json')
  execFileSync(process.execPath, [join(import.meta.dirname, 'one-tenant/record.ts'), file, JSON.stringify(TRAFFIC)], {
    stdio: 'inherit',
  })
  return JSON.parse(readFileSync(file, 'utf8')) as Recorded
}

/** The tenant's one ledger, and of its objects of limits the one that is asked most. */
function busiestObjects({ limitCalls, ledgerCalls }: Recorded): { name: string; object: Objects; calls: Asked[] }[] {
  const byOwner = new Map<string, Asked[]>()
  for (const call of limitCalls) byOwner.set(call.owner, [...(byOwner.get(call.owner) ?? []), call])
  const [limits = []] = [...byOwner.values()].sort((a, b) => b.length - a.length)
  const ledger = ledgerCalls.map(({ atMs, report }) => ({ atMs, owner: 'tenant', method: 'exchange', args: [report] }))
  return [
    { name: 'limits', object: 'LIMITS', calls: limits },
    { name: 'ledger', object: 'BUDGET', calls: ledger },
  ]
}

function mostASecond(calls: readonly Asked[]): number {
  const counts = new Map<number, number>()
  for (const { atMs } of calls) {
    const second = Math.floor(atMs / 1_000)
    if (atMs >= WARM_MS) counts.set(second, (counts.get(second) ?? 0) + 1)
  }
  return Math.max(...counts.values())
}

/** The caller's side of each call, and the parsing of what it sends, are in the same process: the first counts, the second is taken off. */
async function cpuMsPerCall(
  core: number,
  folder: string,
  module: string,
  object: Objects,
  calls: readonly Asked[],
): Promise<number> {
  const server = await startWorkerd({ core, folder, upstreamUrl: '' }, module, {
    compatibilityDate: '2026-11-01',
    compatibilityFlags: [],
    vars: {},
    durableObjects: { LIMITS: 'Limits', BUDGET: 'Ledger' },
  })
  try {
    const [cold, warm] = [calls.filter(({ atMs }) => atMs < WARM_MS), calls.filter(({ atMs }) => atMs >= WARM_MS)]
    const send = async (part: readonly Asked[], isAsked: boolean): Promise<number> => {
      const job = { object, name: 'tenant', isAsked, calls: part.map(({ method, args }) => ({ method, args })) }
      const before = cpuMs([server.pid])
      const response = await fetch(server.url, { method: 'POST', body: JSON.stringify(job) })
      if (!response.ok) throw new Error(`workerd answered ${response.status}: ${await response.text()}`)
      await response.json()
      return cpuMs([server.pid]) - before
    }
    await send(cold, true)
    const times = Array.from({ length: TIMES[object] }, () => warm).flat()
    const parsing = await send(times, false)
    return ((await send(times, true)) - parsing) / times.length
  } finally {
    await server.stop()
  }
}

async function bundle(folder: string): Promise<string> {
  await build({
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: true },
    build: {
      ssr: join(import.meta.dirname, 'one-tenant/worker.ts'),
      outDir: join(folder, 'built'),
      emptyOutDir: false,
      target: 'es2024',
      rolldownOptions: { external: [/^cloudflare:/, /^node:/], output: { entryFileNames: 'one-tenant.mjs' } },
    },
  })
  return join(folder, 'built/one-tenant.mjs')
}
