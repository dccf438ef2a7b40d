/**
 * `npm run bench:engine`: tokens per second of our engine beside llama.cpp, on the same file of weights with the same number of
 * threads. docs/performance.md says how to read it.
 */
import { type EngineProcess, startEngine } from './engine/engine-process.ts'
import { BATCH_MAX, CONTEXT, type EngineCell, STEPS_MAX, tokensOf } from './engine/measured-engine.ts'
import { modelFiles } from './engine/model-files.ts'
import { alternations } from './measure/alternate.ts'
import { type BenchOptions, runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, medianRatio, relativeSpread, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'
import { installPeers } from './peers/install.ts'

const THREADS = 2
const NAMES = ['perigee', 'llama'] as const
type Name = (typeof NAMES)[number]

/** Fewer steps for more streams: every cell takes a second or two. */
const DECODE: readonly { batch: number; steps: number; sameness?: boolean }[] = [
  { batch: 1, steps: STEPS_MAX },
  { batch: 1, steps: STEPS_MAX, sameness: true },
  { batch: 4, steps: 32 },
  { batch: BATCH_MAX, steps: 24 },
]
/** Of a smoke run and of the round before the first, which is not counted. */
const STEPS_QUICK = 4

/** Above it figures are not worth keeping: llama.cpp's threads wait for each other actively, so one that is held up holds up all. */
const STRANGERS_MAX = 0.1

/** By `name cell`. */
type Samples = Map<string, { tokensPerSecond: number; strangers: number }[]>

await runBench('bench:engine', NAMES, async (options) => {
  if (process.platform !== 'linux') throw new Error('It needs Linux: it reads CPU time from /proc.')
  const files = await modelFiles()
  const names = NAMES.filter((name) => options.only.length === 0 || options.only.includes(name))
  if (names.includes('llama')) installPeers()
  const cells = cellsFor(options.quick)
  const engines = new Map<Name, EngineProcess>()
  const samples: Samples = new Map()
  try {
    for (const name of names) {
      progress(`loading ${name}`)
      engines.set(name, await startEngine(name, { ...files, threads: THREADS }))
    }
    // Memory is touched and everything is bound for the first time.
    for (const cell of cellsFor(true)) {
      if (options.quick) break
      progress(`warming up: ${title(cell)}`)
      for (const name of names) await engines.get(name)?.measure(cell)
    }
    for (const [round, order] of alternations(names, options.alternations).entries()) {
      for (const cell of cells) {
        progress(`alternation ${round + 1} of ${options.alternations}: ${title(cell)}`)
        for (const name of order) await sample(engines, name, cell, samples)
      }
    }
    progressDone()
    report(engines, cells, samples, options, files.name)
  } finally {
    for (const engine of engines.values()) await engine.stop()
  }
})

async function sample(
  engines: Map<Name, EngineProcess>,
  name: Name,
  cell: EngineCell,
  samples: Samples,
): Promise<void> {
  const measured = await engines.get(name)?.measure(cell)
  if (!measured) return
  const key = `${name} ${title(cell)}`
  const tokensPerSecond = (tokensOf(cell) / measured.ms) * 1_000
  samples.set(key, [...(samples.get(key) ?? []), { tokensPerSecond, strangers: measured.strangers }])
}

function cellsFor(quick: boolean): EngineCell[] {
  return [0, CONTEXT].flatMap((context): EngineCell[] => [
    ...DECODE.map((run) => ({ kind: 'decode' as const, ...run, context, steps: quick ? STEPS_QUICK : run.steps })),
    { kind: 'prefill', tokens: 128, context },
    { kind: 'prefill', tokens: 512, context },
  ])
}

function title(cell: EngineCell): string {
  if (cell.kind === 'prefill') return `prefill of ${cell.tokens}, context ${cell.context}`
  return `decode, batch ${cell.batch}${cell.sameness ? ' (seeded)' : ''}, context ${cell.context}`
}

/** The same as a name in JSON. */
function figureName(cell: EngineCell): string {
  if (cell.kind === 'prefill') return `prefill${cell.tokens}Context${cell.context}`
  return `decodeBatch${cell.batch}${cell.sameness ? 'Seeded' : ''}Context${cell.context}`
}

function report(
  engines: ReadonlyMap<Name, EngineProcess>,
  cells: readonly EngineCell[],
  samples: Samples,
  options: BenchOptions,
  model: string,
): void {
  const of = (name: Name, cell: EngineCell) =>
    (samples.get(`${name} ${title(cell)}`) ?? []).map(({ tokensPerSecond }) => tokensPerSecond)
  const strangers = median([...samples.values()].flat().map((sample) => sample.strangers))
  const names = [...engines.keys()]
  const both = names.length === NAMES.length
  const ratio = (cell: EngineCell) => round(medianRatio(of('perigee', cell), of('llama', cell)))
  const rows = cells.map((cell) => [
    title(cell),
    ...names.flatMap((name) => [
      String(round(median(of(name, cell)))),
      String(Math.round(relativeSpread(of(name, cell)) * 100)),
    ]),
    ...(both ? [ratio(cell).toFixed(2)] : []),
  ])
  console.log(table(['tokens/s', ...names.flatMap((name) => [name, '+-%']), ...(both ? ['ratio'] : [])], rows))
  if (strangers > STRANGERS_MAX) {
    console.log(
      `\nOther programs used ${Math.round(strangers * 100)} % of the cores: these figures mean nothing, llama.cpp's least of all.`,
    )
  }
  const versions = Object.fromEntries([...engines].map(([name, engine]) => [name, engine.version]))
  const memory = Object.fromEntries([...engines].map(([name, engine]) => [name, Math.round(engine.rssMib())]))
  console.log(`
${model}, ${THREADS} threads, medians of ${options.alternations} alternations; the ratio is ours over llama.cpp's, more is better.
"Seeded" is a lone stream whose answer is the same in any batch: our engine computes a second row for it, llama.cpp promises no such thing.
Versions ${JSON.stringify(versions)}; resident MiB ${JSON.stringify(memory)}: ours has room for ${BATCH_MAX + 1} rows, llama.cpp for ${2 * BATCH_MAX}.`)
  const figures = Object.fromEntries(
    names.map((name) => [
      name,
      Object.fromEntries(cells.map((cell) => [figureName(cell), round(median(of(name, cell)))])),
    ]),
  )
  const ratios = both
    ? { 'perigee/llama': Object.fromEntries(cells.map((cell) => [figureName(cell), ratio(cell)])) }
    : {}
  const circumstances = {
    unit: 'tokens/s',
    model,
    threads: THREADS,
    alternations: options.alternations,
    strangers: round(strangers),
    versions,
    rssMib: memory,
  }
  const save = options.save && strangers <= STRANGERS_MAX
  conclude('engine', { figures: { ...circumstances, ...figures }, ratios }, { ...options, save })
}
