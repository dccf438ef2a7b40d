/**
 * `npm run bench:filter`: what the content filter costs in workerd, with ten thousand words: of 4 kB of a request, of the answer's
 * events, of compiling the rules, and how much later the first text goes out. docs/performance.md says how to read it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { compileRules } from '../../src/filter/compile-rules.ts'
import { textStream } from '../../src/filter/text-stream.ts'
import { startWorkerd } from './edge/contenders.ts'
import { type Material, material, tokensOf, WORDS } from './filter/material.ts'
import type { Job, Scenario } from './filter/worker.ts'
import { alternations } from './measure/alternate.ts'
import { allowedCores, pickCores, stayOn } from './measure/cores.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { cpuMs } from './measure/process-tree.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, relativeSpread, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

/** How often in one request: enough for some hundred milliseconds. */
const TIMES: Readonly<Record<Scenario, number>> = {
  english: 4_000,
  chinese: 6_000,
  'personal-data': 2_000,
  'no-rules': 100_000,
  compile: 20,
  stream: 400,
  'stream-bare': 3_000,
}
const SCENARIOS = Object.keys(TIMES) as Scenario[]
const COMMAND = 'npm run bench:filter -- --save'
/** Of the same prose, from its words on. */
const ANSWERS = 400

type Sample = { wallUs: number; cpuUs: number }

await runBench('bench:filter', SCENARIOS, async (options) => {
  const cores = pickCores(allowedCores())
  if (process.platform !== 'linux' || !cores) throw new Error('It needs Linux and two cores.')
  stayOn(cores.load)
  const prose = readFileSync(join(import.meta.dirname, '../../functions/inference/models/english.txt'), 'utf8')
  const worked = material(prose)
  const folder = mkdtempSync(join(tmpdir(), 'perigee-bench-'))
  const samples = new Map<Scenario, Sample[]>(SCENARIOS.map((scenario) => [scenario, []]))
  const chosen = SCENARIOS.filter((scenario) => options.only.length === 0 || options.only.includes(scenario))
  try {
    const module = await bundle(folder)
    const server = await startWorkerd({ core: cores.server, folder, upstreamUrl: '' }, module, {
      compatibilityDate: '2026-11-01',
      compatibilityFlags: [],
      vars: {},
      durableObjects: {},
    })
    try {
      await ask(server.url, { material: worked, scenario: 'no-rules', times: 0 })
      for (const scenario of chosen) await ask(server.url, { scenario, times: Math.ceil(TIMES[scenario] / 4) })
      for (const [round, order] of alternations(chosen, options.alternations).entries()) {
        progress(`alternation ${round + 1} of ${options.alternations}`)
        for (const scenario of order) samples.get(scenario)?.push(await measure(server, scenario, options.quick))
      }
    } finally {
      await server.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  progressDone()
  report(samples, chosen, worked, options)
})

async function bundle(folder: string): Promise<string> {
  await build({
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: true },
    build: {
      ssr: join(import.meta.dirname, 'filter/worker.ts'),
      outDir: join(folder, 'built'),
      emptyOutDir: false,
      target: 'es2024',
      rolldownOptions: { output: { entryFileNames: 'filter.mjs' } },
    },
  })
  return join(folder, 'built/filter.mjs')
}

async function ask(url: string, job: Partial<Job>): Promise<void> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(job) })
  if (!response.ok) throw new Error(`workerd answered ${response.status}: ${await response.text()}`)
  await response.json()
}

/** Of one time, the request itself taken off. */
async function measure(server: { url: string; pid: number }, scenario: Scenario, quick: boolean): Promise<Sample> {
  const timed = async (times: number): Promise<Sample> => {
    const [started, cpu] = [performance.now(), cpuMs([server.pid])]
    await ask(server.url, { scenario, times })
    return { wallUs: (performance.now() - started) * 1_000, cpuUs: (cpuMs([server.pid]) - cpu) * 1_000 }
  }
  const times = quick ? Math.ceil(TIMES[scenario] / 10) : TIMES[scenario]
  const base = await timed(0)
  const all = await timed(times)
  return { wallUs: (all.wallUs - base.wallUs) / times, cpuUs: (all.cpuUs - base.cpuUs) / times }
}

function report(
  samples: ReadonlyMap<Scenario, readonly Sample[]>,
  chosen: readonly Scenario[],
  worked: Material,
  options: { json: boolean; save: boolean; alternations: number },
): void {
  const figures: Record<string, object | number | string> = {
    command: COMMAND,
    words: WORDS,
    alternations: options.alternations,
  }
  const rows: string[][] = []
  for (const scenario of chosen) {
    const of = (field: keyof Sample) => (samples.get(scenario) ?? []).map((sample) => sample[field])
    const wallUs = round(median(of('wallUs')))
    const cpuUs = round(median(of('cpuUs')))
    figures[scenario] = { wallUs, cpuUs, spread: round(relativeSpread(of('wallUs')), 2) }
    rows.push([scenario, String(wallUs), String(cpuUs), `${Math.round(relativeSpread(of('wallUs')) * 100)} %`])
  }
  console.log(table(['microseconds', 'wall', 'CPU', '+-'], rows))
  const events = tokensOf(worked.english).length
  const delay = firstTextDelay(worked)
  console.log(`
${WORDS} words; texts of 4 kB, the stream in ${events} events. Medians of ${options.alternations}.
The first text goes out with a later event in ${Math.round(delay.delayedShare * 100)} % of ${ANSWERS} answers, on average ${delay.eventsLater} events later, at most ${delay.eventsLaterMax}.
Held back after an event: ${delay.pointsHeld} characters on average, at most ${delay.pointsHeldMax}.`)
  conclude('filter', { figures: { ...figures, streamEvents: events, firstText: delay }, ratios: {} }, options)
}

/** No clock: how many events later than it came the first text goes out, and how much waits after each event. */
function firstTextDelay({ words, english }: Material) {
  const rules = compileRules([{ name: 'list', action: 'mask', on: 'both', match: 'auto', words }], 'output')
  if (!rules) throw new Error('There are no rules.')
  const tokens = tokensOf(english)
  const later: number[] = []
  const held: number[] = []
  for (let answer = 0; answer < ANSWERS; answer++) {
    const stream = textStream(rules)
    let first: number | undefined
    let waiting = 0
    const from = (answer * 17) % (tokens.length - 40)
    for (const [index, token] of tokens.slice(from, from + 40).entries()) {
      const out = stream.push(index === 0 ? token.trimStart() : token)
      waiting += (index === 0 ? token.trimStart() : token).length - out.length
      held.push(waiting)
      if (out !== '') first ??= index
    }
    later.push(first ?? 40)
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    delayedShare: round(later.filter((events) => events > 0).length / ANSWERS),
    eventsLater: round(mean(later)),
    eventsLaterMax: Math.max(...later),
    pointsHeld: round(mean(held)),
    pointsHeldMax: Math.max(...held),
  }
}
