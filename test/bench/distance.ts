/**
 * `npm run bench:distance`: what the gate adds to a request when every store is 120 ms away and its leases are warm. The same Worker near
 * its stores and far from them, and one that only forwards, take turns request by request; this process measures, for workerd's clocks
 * stand still while JavaScript runs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { passthrough, perigee } from './edge/contenders.ts'
import type { Target } from './edge/load.ts'
import { COUNTER, SCENARIOS, type Scenario, wrongAnswer } from './edge/scenario.ts'
import { stop } from './edge/server.ts'
import { startUpstream } from './edge/upstream-process.ts'
import { alternations } from './measure/alternate.ts'
import { allowedCores, pickCores, stayOn } from './measure/cores.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { median, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

/** Longer than any window, so that what happens once in one is among what is seen. */
const SECONDS = 90
const SECONDS_QUICK = 5
/** For leases, and for V8's compilers. */
const WARM_UP_SECONDS = 10
/** Whose answer is neither remembered nor joined: all of the pipeline. */
const SCENARIO = 'miss'

const NAMES = ['bare', 'near', 'far'] as const
type Name = (typeof NAMES)[number]

await runBench('bench:distance', NAMES, async (options) => {
  const cores = pickCores(allowedCores())
  if (process.platform !== 'linux' || !cores) throw new Error('It needs Linux and two cores.')
  const makers = { bare: passthrough(), near: perigee(), far: perigee({ isFar: true }) }
  stayOn(cores.load)
  const upstream = await startUpstream(cores.load)
  const folder = mkdtempSync(join(tmpdir(), 'perigee-bench-'))
  const targets = new Map<Name, Target>()
  const stops: (() => Promise<void>)[] = []
  try {
    for (const name of NAMES) {
      const place = { core: cores.server, folder: mkdtempSync(join(folder, name)), upstreamUrl: upstream.baseUrl }
      const started = await makers[name].start(place)
      targets.set(name, started)
      stops.push(started.stop)
    }
    await takeTurns(targets, WARM_UP_SECONDS)
    report(await takeTurns(targets, options.quick ? SECONDS_QUICK : SECONDS), options)
  } finally {
    await Promise.all(stops.map((end) => end()))
    await stop(upstream)
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Milliseconds of each request, by contender, in rounds of one each. */
async function takeTurns(targets: ReadonlyMap<Name, Target>, seconds: number): Promise<Record<Name, number[]>> {
  const scenario = SCENARIOS.find(({ name }) => name === SCENARIO)
  if (!scenario) throw new Error('The scenario has another name.')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const orders = alternations([...targets], targets.size)
  const taken: Record<Name, number[]> = { bare: [], near: [], far: [] }
  const untilMs = performance.now() + seconds * 1_000
  // Another number each time: what was asked before would be remembered.
  let counter = 1_000_000 + Math.floor(Math.random() * 4_000_000)
  for (let turn = 0; performance.now() < untilMs; turn++) {
    counter += 1
    const body = scenario.body.replaceAll(COUNTER, String(counter))
    for (const [name, target] of orders[turn % orders.length] ?? []) {
      taken[name].push(await timed(agent, target, scenario, body))
    }
  }
  agent.destroy()
  return taken
}

function timed(agent: Agent, target: Target, scenario: Scenario, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': String(body.length), ...target.headers }
    const startedAt = performance.now()
    const call = request(target.url, { method: 'POST', agent, headers }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => {
        const ms = performance.now() - startedAt
        const wrong = wrongAnswer(scenario, response.statusCode ?? 0, Buffer.concat(pieces).toString())
        if (wrong) reject(new Error(wrong))
        else resolve(ms)
      })
    })
    call.on('error', reject)
    call.end(body)
  })
}

function report(taken: Record<Name, number[]>, options: { json: boolean; save: boolean }): void {
  const over = (name: Name, other: Name) => taken[name].map((ms, at) => ms - (taken[other][at] ?? Number.NaN))
  const added = { far: over('far', 'bare'), near: over('near', 'bare'), distance: over('far', 'near') }
  const rows = [
    ...NAMES.map((name) => [name, ...shown(taken[name])]),
    ['near, above bare', ...shown(added.near)],
    ['far, above bare', ...shown(added.far)],
    ['far, above near', ...shown(added.distance)],
  ]
  console.log(table(['milliseconds', 'p50', 'p90', 'p99', 'most'], rows))
  const figures = Object.fromEntries(
    [...Object.entries(taken), ...Object.entries(added).map(([name, list]) => [`${name}Added`, list] as const)].map(
      ([name, list]) => [name, { p50Ms: round(median(list), 3), p99Ms: round(quantile(list, 0.99), 3) }],
    ),
  )
  const waited = taken.far.filter((ms) => ms > 100).length
  console.log(`\n${taken.far.length} requests each, one at a time; ${waited} of the far ones took more than 100 ms.`)
  conclude('distance', { figures: { requests: taken.far.length, waited, ...figures }, ratios: {} }, options)
}

function shown(list: readonly number[]): string[] {
  return [0.5, 0.9, 0.99, 1].map((share) => quantile(list, share).toFixed(2))
}

function quantile(list: readonly number[], share: number): number {
  const sorted = [...list].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
