/**
 * `npm run bench:cold-start`: from the start of a fresh workerd to the first answer, of the built Worker and of an empty one, in turns. On
 * Cloudflare the process runs already; what differs here is what an isolate has to load and run before it answers.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { BUNDLE, bundledWorker, emptyWorker, startWorkerd } from './edge/contenders.ts'
import { alternations } from './measure/alternate.ts'
import { allowedCores, pickCores, stayOn } from './measure/cores.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

/** Of the medians that are quoted. */
const STARTS = 10

await runBench('bench:cold-start', ['perigee', 'empty'], async (options) => {
  const cores = pickCores(allowedCores())
  if (!cores) throw new Error('It needs two cores, one for workerd and one for the caller.')
  stayOn(cores.load)
  const workers = [
    { name: 'perigee', title: 'Perigee', ...bundledWorker() },
    { name: 'empty', title: 'an empty Worker', ...emptyWorker() },
  ]
  const milliseconds = new Map(workers.map(({ name }) => [name, [] as number[]]))
  const starts = options.quick ? 2 : STARTS
  for (const [round, order] of alternations(workers, starts).entries()) {
    for (const { name, module, settings } of order) {
      progress(`start ${round + 1} of ${starts}: ${name}`)
      const folder = mkdtempSync(join(tmpdir(), 'perigee-bench-'))
      const beganAt = performance.now()
      const started = await startWorkerd({ core: cores.server, folder, upstreamUrl: '' }, module, settings)
      const response = await fetch(new URL('/health', started.url))
      await response.arrayBuffer()
      milliseconds.get(name)?.push(performance.now() - beganAt)
      await started.stop()
      rmSync(folder, { recursive: true, force: true })
      if (!response.ok) throw new Error(`${basename(module)} answered ${response.status}.`)
    }
  }
  progressDone()
  const medianMs = (name: string) => median(milliseconds.get(name) ?? [])
  const gzipKib = gzipSync(readFileSync(BUNDLE), { level: 9 }).length / 1_024
  console.log(
    table(
      ['', 'first answer, ms'],
      workers.map(({ name, title }) => [title, String(round(medianMs(name)))]),
    ),
  )
  console.log(`\nMedians of ${starts} fresh processes. The bundle has ${round(gzipKib)} KiB gzipped.`)
  const figures = {
    starts,
    perigeeMs: round(medianMs('perigee')),
    emptyMs: round(medianMs('empty')),
    gzipKib: round(gzipKib),
  }
  conclude(
    'cold-start',
    { figures, ratios: { first_answer_vs_empty: round(medianMs('perigee') / medianMs('empty')) } },
    options,
  )
})
