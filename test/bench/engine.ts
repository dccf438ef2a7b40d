/**
 * `npm run bench:engine`: tokens per second of our engine beside llama.cpp with the same number of threads, on the same file of
 * weights and on a copy in llama.cpp's fastest format. docs/performance.md says how to read it.
 */
import { type EngineProcess, startEngine } from './engine/engine-process.ts'
import { measureHttp } from './engine/http-load.ts'
import {
  BATCH_MAX,
  type Cell,
  does,
  ENGINES,
  type EngineName,
  engineCells,
  HTTP_CELL,
  keyOf,
  titleOf,
} from './engine/measured-engine.ts'
import { type ModelFiles, modelFiles } from './engine/model-files.ts'
import { q40Copy } from './engine/q4-0-copy.ts'
import {
  type EngineSample,
  type EngineSamples,
  engineFigures,
  engineRatios,
  engineTable,
  strangersShare,
} from './engine/report.ts'
import { transformersJsFolder } from './engine/transformersjs-files.ts'
import { alternations } from './measure/alternate.ts'
import { allowedCores } from './measure/cores.ts'
import { type BenchOptions, runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { round } from './measure/statistics.ts'
import { installPeers } from './peers/install.ts'

const THREADS = 2
/** Above it figures are not worth keeping: llama.cpp's threads wait for each other actively, so one that is held up holds up all. */
const STRANGERS_MAX = 0.1

// Sound: the keys of a literal.
const NAMES = Object.keys(ENGINES) as EngineName[]

await runBench('bench:engine', NAMES, async (options) => {
  if (process.platform !== 'linux') throw new Error('It needs Linux: it pins cores and reads CPU time from /proc.')
  const cores = allowedCores().slice(-THREADS)
  if (cores.length < THREADS) throw new Error(`It needs ${THREADS} cores.`)
  const files = await modelFiles()
  const names = NAMES.filter((name) => options.only.length === 0 || options.only.includes(name))
  if (names.some((name) => name !== 'perigee')) installPeers()
  progress('making the copies that others read')
  const paths = { q41: files.ggufPath, q40: await q40Copy(files.ggufPath, files.sha256) }
  const folders = { perigee: files.modelFolder, llama: '', transformersjs: await transformersJsFolder(files) }

  const settingsOf = (name: EngineName) => ({
    ggufPath: paths[ENGINES[name].weights],
    modelFolder: folders[ENGINES[name].program],
    threads: THREADS,
  })
  const samples: EngineSamples = new Map(names.map((name) => [name, new Map()]))
  const circumstances = { versions: {}, rssMib: {} }
  for (const [round, order] of alternations(names, options.alternations).entries()) {
    const engines = new Map<EngineName, EngineProcess>()
    const say = (what: string) => progress(`alternation ${round + 1} of ${options.alternations}: ${what}`)
    try {
      // Afresh each time: one configuration varies from start to start.
      for (const name of order) {
        say(`loading ${name}`)
        engines.set(name, await startEngine(ENGINES[name].program, settingsOf(name), cores))
      }
      await measureAll(engines, options.quick, samples, say)
      for (const [name, engine] of engines) {
        Object.assign(circumstances.versions, { [name]: engine.version })
        Object.assign(circumstances.rssMib, { [name]: Math.round(engine.rssMib()) })
      }
    } finally {
      for (const engine of engines.values()) await engine.stop()
    }
    for (const name of order.filter((each) => does(each, HTTP_CELL))) {
      say(`${titleOf(HTTP_CELL)}: ${name}`)
      keep(samples, name, HTTP_CELL, await measureHttp(name, settingsOf(name), cores))
    }
  }
  progressDone()
  report(names, samples, options, files, { cores, ...circumstances })
})

/** One alternation: the engines take turns within each cell, so that what slows the machine for seconds slows all. */
async function measureAll(
  engines: ReadonlyMap<EngineName, EngineProcess>,
  quick: boolean,
  samples: EngineSamples,
  say: (what: string) => void,
): Promise<void> {
  // Memory is touched and everything is bound for the first time.
  for (const cell of quick ? [] : engineCells(true)) {
    say(`warming up: ${titleOf(cell)}`)
    for (const [name, engine] of engines) if (does(name, cell)) await engine.measure(cell)
  }
  for (const cell of engineCells(quick)) {
    say(titleOf(cell))
    for (const [name, engine] of engines) {
      if (!does(name, cell)) continue
      keep(samples, name, cell, await engine.measure(cell))
    }
  }
}

function keep(samples: EngineSamples, name: EngineName, cell: Cell, sample: EngineSample): void {
  const ofCell = samples.get(name)?.get(keyOf(cell)) ?? []
  samples.get(name)?.set(keyOf(cell), [...ofCell, sample])
}

function report(
  names: readonly EngineName[],
  samples: EngineSamples,
  options: BenchOptions,
  files: ModelFiles,
  circumstances: { cores: number[]; versions: object; rssMib: object },
): void {
  const cells: readonly Cell[] = [...engineCells(options.quick), HTTP_CELL]
  console.log(engineTable(names, cells, samples))
  const strangers = strangersShare(samples)
  if (strangers > STRANGERS_MAX) {
    console.log(
      `\nOther programs used ${Math.round(strangers * 100)} % of the cores: these figures mean nothing, llama.cpp's least of all.`,
    )
  }
  console.log(`
${files.name}, ${THREADS} threads on cores ${circumstances.cores.join(', ')}, medians of ${options.alternations} fresh starts; the last columns are ours over theirs, more is better.
"Seeded" is a lone stream whose answer is the same in any batch: our engine computes a second row for it, llama.cpp promises no such thing.
Versions ${JSON.stringify(circumstances.versions)}; resident MiB ${JSON.stringify(circumstances.rssMib)}: ours has room for ${BATCH_MAX + 1} rows, llama.cpp for ${2 * BATCH_MAX}.`)
  const figures = {
    ...{ model: files.name, threads: THREADS, alternations: options.alternations, strangers: round(strangers) },
    ...circumstances,
    ...engineFigures(names, cells, samples),
  }
  const ratios = names.length === NAMES.length ? engineRatios(cells, samples) : {}
  conclude('engine', { figures, ratios }, { ...options, save: options.save && strangers <= STRANGERS_MAX })
}
