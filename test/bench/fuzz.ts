/**
 * `npm run long:fuzz`: 20,000 mutated requests at the inference server, sixteen at once. The server must answer each as it may be
 * answered, live on with the same engine, and hold as much of the machine at the end as after its first quarter.
 */

import { defaultModelFolder } from '../functions/engine/default-model.ts'
import { fuzz } from '../functions/robustness/fuzz.ts'
import { engineRestarts, type Holdings, heldBy, heldMore, untilIdle } from '../functions/robustness/holdings.ts'
import { startServerProcess } from '../functions/robustness/server-process.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'

const SEED = 20_261_124
const REQUESTS = 20_000
const REQUESTS_QUICK = 500
/** A small prefix cache, which is full soon: what it holds is no leak. */
const SERVER = ['--context', '256', '--slots', '4', '--prefix-cache-mb', '64']

await runBench('long:fuzz', [], async (options) => {
  const requests = options.quick ? REQUESTS_QUICK : REQUESTS
  await defaultModelFolder() // What is said of an import is not of the requests.
  const server = await startServerProcess(SERVER)
  try {
    let warm: Holdings | undefined
    const started = performance.now()
    const { counts, wrong } = await fuzz(server.url, {
      seed: SEED,
      requests,
      onDone(done) {
        if (done % 100 === 0) progress(`${done} of ${requests}`)
        if (done === requests / 4) warm = heldBy(server)
      },
    })
    progressDone()
    await untilIdle(server)
    const seconds = Math.round((performance.now() - started) / 1_000)
    const end = heldBy(server, await engineRestarts(server))
    console.log(`${requests} requests, seed ${SEED}, ${seconds} s; answered ${JSON.stringify(counts)}`)
    console.log(`after the first quarter ${JSON.stringify(warm)}\nat the end ${JSON.stringify(end)}`)
    const problems = [
      ...wrong.map(({ why, request, answer }) => `${why}\n  ${request}\n  ${answer}`),
      ...(warm === undefined ? [] : heldMore(warm, end)),
      ...(end.engineRestarts > 0 ? [`the engine was started again ${end.engineRestarts} times`] : []),
      ...(server.log() === '' ? [] : [`it logged: ${server.log().slice(0, 4_000)}`]),
    ]
    if (problems.length > 0) throw new Error(problems.join('\n'))
    const figures = { requests, seed: SEED, server: SERVER, seconds, counts, afterTheFirstQuarter: warm, atTheEnd: end }
    conclude('fuzz', { figures, ratios: {} }, options)
  } finally {
    await server.stop()
  }
})
