/**
 * `npm run bench:edge`: what the edge adds to a request, beside a Worker that only forwards and beside Portkey's gateway.
 * Each alternation starts each contender afresh, warms it up and measures every cell. docs/performance.md says how to read it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Contender, passthrough, perigee, portkey, type Started, unlogged } from './edge/contenders.ts'
import { jsonCpuMs } from './edge/json-cost.ts'
import { load, type Sample } from './edge/load.ts'
import { edgeFigures, edgeTable, strangersShare } from './edge/report.ts'
import { COUNTER, cellsOf, SCENARIOS, type Scenario, wrongAnswer } from './edge/scenario.ts'
import { stop } from './edge/server.ts'
import { startUpstream, type UpstreamProcess } from './edge/upstream-process.ts'
import { alternations } from './measure/alternate.ts'
import { allowedCores, type Cores, pickCores, stayOn } from './measure/cores.ts'
import { type BenchOptions, runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, round } from './measure/statistics.ts'
import { findWrk, type Wrk } from './peers/wrk.ts'

const CELL_SECONDS = 3
const CELL_SECONDS_QUICK = 3
/** Per scenario, at 16 connections: after it the compilers of V8 have seen what is hot. */
const WARM_UP_SECONDS = 2
/** Share of the server's core; above it figures are not worth keeping. */
const STRANGERS_MAX = 0.05

type Bench = { wrk: Wrk; cores: Cores; upstream: UpstreamProcess; seconds: number }

await runBench('bench:edge', ['perigee', 'unlogged', 'passthrough', 'portkey'], async (options) => {
  if (process.platform !== 'linux') throw new Error('It needs Linux: it pins cores and reads CPU time from /proc.')
  const cores = pickCores(allowedCores())
  if (!cores) throw new Error('It needs two cores, one for the server and one for the load.')
  const wrk = findWrk()
  const makers = { perigee, unlogged, passthrough, portkey }
  const contenders = Object.entries(makers).flatMap(([name, make]) =>
    options.only.length === 0 || options.only.includes(name) ? [make()] : [],
  )
  stayOn(cores.load)
  const upstream = await startUpstream(cores.load)
  const seconds = options.quick ? CELL_SECONDS_QUICK : CELL_SECONDS
  const measured = await measureAll({ wrk, cores, upstream, seconds }, contenders, options).finally(() =>
    stop(upstream),
  )
  report(contenders, measured, options, { cores, upstream })
})

/** `samples` by `contender scenario connections`; `jsonCpu`: milliseconds of parsing and writing the large body, of each alternation. */
type Measured = { samples: ReadonlyMap<string, readonly Sample[]>; jsonCpu: readonly number[] }

async function measureAll(bench: Bench, contenders: readonly Contender[], options: BenchOptions): Promise<Measured> {
  const samples = new Map<string, Sample[]>()
  const jsonCpu: number[] = []
  for (const [round, order] of alternations(contenders, options.alternations).entries()) {
    for (const contender of order) {
      progress(`alternation ${round + 1} of ${options.alternations}: ${contender.title}`)
      const folder = mkdtempSync(join(tmpdir(), 'perigee-bench-'))
      const place = { core: bench.cores.server, folder, upstreamUrl: bench.upstream.baseUrl }
      const started = await contender.start(place)
      try {
        await measureOne(bench, contender, started, folder, samples)
      } finally {
        await started.stop()
        rmSync(folder, { recursive: true, force: true })
      }
    }
    jsonCpu.push(await costOfJson(bench))
  }
  progressDone()
  return { samples, jsonCpu }
}

async function costOfJson({ cores, upstream }: Bench): Promise<number> {
  const large = SCENARIOS.find(({ name }) => name === 'large')
  if (!large) throw new Error('The large scenario has another name.')
  const folder = mkdtempSync(join(tmpdir(), 'perigee-bench-'))
  try {
    return await jsonCpuMs({ core: cores.server, folder, upstreamUrl: upstream.baseUrl }, large.body)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measureOne(
  bench: Bench,
  contender: Contender,
  target: Started,
  folder: string,
  samples: Map<string, Sample[]>,
) {
  for (const scenario of SCENARIOS) {
    await check(contender, target, scenario)
    await load({ ...bench, folder, scenario, connections: 16, seconds: WARM_UP_SECONDS, target })
  }
  for (const { scenario, connections } of cellsOf(SCENARIOS)) {
    const sample = await load({ ...bench, folder, scenario, connections, target })
    const key = `${contender.name} ${scenario.name} ${connections}`
    samples.set(key, [...(samples.get(key) ?? []), sample])
  }
}

/** A contender that answers wrongly would be measured at not doing its work. */
async function check(contender: Contender, target: Started, scenario: Scenario): Promise<void> {
  const headers = { 'content-type': 'application/json', ...target.headers }
  const body = scenario.body.replaceAll(COUNTER, '0'.repeat(COUNTER.length))
  const response = await fetch(target.url, { method: 'POST', headers, body })
  const wrong = wrongAnswer(scenario, response.status, await response.text())
  if (wrong) throw new Error(`${contender.title} does not answer ${scenario.name} rightly: ${wrong}`)
}

function report(
  contenders: readonly Contender[],
  { samples, jsonCpu }: Measured,
  options: BenchOptions,
  { cores, upstream }: { cores: Cores; upstream: UpstreamProcess },
): void {
  const cells = cellsOf(SCENARIOS)
  console.log(edgeTable(contenders, cells, samples))
  console.log(`
Medians of ${options.alternations} fresh starts. Server on core ${cores.server}; wrk and the upstream (${upstream.language}) on core ${cores.load}.
The work is not the same for all. Perigee checks a key, counts limits, filters both ways with 1,000 words, keeps a budget in
money, remembers or joins answers, counts metrics and logs a line; the other two do none of it. For JSON it asks the upstream to
stream, as it must for time-outs and billing, gathered as its inference server does (a few events); the other two hand one JSON
body through. Portkey holds the first event of a stream back by 25 ms on purpose.`)
  const { figures, ratios } = edgeFigures(contenders, cells, samples, jsonCpu)
  console.log(`\nJSON.parse and JSON.stringify of the large body take ${round(median(jsonCpu))} ms of CPU time.`)
  const strangers = strangersShare(samples)
  const save = options.save && strangers <= STRANGERS_MAX
  if (options.save && !save) {
    console.log(
      `\nNot saved: other programs took ${Math.round(strangers * 100)} % of the server's core. Run it on a quiet machine.`,
    )
  }
  const circumstances = { alternations: options.alternations, upstream: upstream.language, strangers: round(strangers) }
  conclude('edge', { figures: { ...circumstances, ...figures }, ratios }, { ...options, save })
}
