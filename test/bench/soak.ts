/**
 * `npm run long:soak`: 2,000 mixed requests, to an adapter and under schemas, too, with hang-ups, refusals and kills of the engine. At the end no slot, no open file and no
 * memory is lost.
 */

import { SENTIMENT_FOLDER } from '../functions/adapters/fixture.ts'
import { defaultModelFolder } from '../functions/engine/default-model.ts'
import { engineRestarts, type Holdings, heldBy, heldMore, untilIdle } from '../functions/robustness/holdings.ts'
import { startServerProcess } from '../functions/robustness/server-process.ts'
import { SOAK_ADAPTER, soak } from '../functions/robustness/soak.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { processTree } from './measure/process-tree.ts'
import { progress, progressDone } from './measure/progress.ts'

const SEED = 4
const REQUESTS = 2_000
const REQUESTS_QUICK = 100
const KILLS = 5
/** Nobody is answered any more: what a server then waits for is no caller. */
const STOP_MAX_MS = 5_000
/** A small prefix cache, which is full soon: what it holds is no leak. */
const SERVER = ['--context', '512', '--slots', '4', '--prefix-cache-mb', '64']

await runBench('long:soak', [], async (options) => {
  const requests = options.quick ? REQUESTS_QUICK : REQUESTS
  const kills = options.quick ? 1 : KILLS
  await defaultModelFolder() // What is said of an import is not of the requests.
  const server = await startServerProcess([...SERVER, '--adapter', `${SOAK_ADAPTER}=${SENTIMENT_FOLDER}`])
  try {
    let warm: Holdings | undefined
    const started = performance.now()
    const { counts, wrong } = await soak(server, {
      seed: SEED,
      requests,
      kills,
      enginePid: () => processTree(server.pid)[1] ?? 0,
      onDone(done) {
        if (done % 20 === 0) progress(`${done} of ${requests}`)
        if (done === requests / 4) warm = heldBy(server)
      },
    })
    progressDone()
    await untilIdle(server)
    const seconds = Math.round((performance.now() - started) / 1_000)
    const end = heldBy(server, await engineRestarts(server))
    console.log(`${requests} requests, ${kills} kills, seed ${SEED}, ${seconds} s; ${JSON.stringify(counts, null, 2)}`)
    console.log(`after the first quarter ${JSON.stringify(warm)}\nat the end ${JSON.stringify(end)}`)
    const stopping = performance.now()
    await server.stop()
    const stopMs = Math.round(performance.now() - stopping)
    const problems = [
      ...(stopMs > STOP_MAX_MS ? [`the server took ${stopMs} ms to stop`] : []),
      ...wrong,
      ...(warm === undefined ? [] : heldMore(warm, end)),
      ...(end.engineRestarts === kills
        ? []
        : [`the engine was started again ${end.engineRestarts} times, not ${kills}`]),
    ]
    if (problems.length > 0) throw new Error(problems.join('\n'))
    const figures = {
      requests,
      kills,
      seed: SEED,
      server: SERVER,
      seconds,
      counts,
      afterTheFirstQuarter: warm,
      atTheEnd: end,
    }
    conclude('soak', { figures, ratios: {} }, options)
  } finally {
    await server.stop()
  }
})
