/**
 * `npm run long:continuation`: a seeded stream is cut at each of 50 random places and goes on at a second server from its token ids, alone
 * and beside seven other streams, in words and inside a tool call's arguments. The joined answer must be the one that was never cut.
 */
import { type CutOutcome, continueAfter, streamAnswer } from '../functions/robustness/continuation.ts'
import { CONTINUATION_CASES } from '../functions/robustness/continuation-cases.ts'
import { startServerProcess } from '../functions/robustness/server-process.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, round } from './measure/statistics.ts'

const SEED = 3
const CUTS = 50
const CUTS_QUICK = 5
const OTHERS = 7
const SERVER = ['--context', '1024', '--slots', '8']

await runBench('long:continuation', [], async (options) => {
  const cuts = options.quick ? CUTS_QUICK : CUTS
  const random = seededRandom(SEED)
  const [first, second] = await Promise.all([startServerProcess(SERVER), startServerProcess(SERVER)])
  const figures: Record<string, unknown> = { cuts, seed: SEED, server: SERVER, others: OTHERS }
  const wrong: string[] = []
  try {
    for (const { name, body } of CONTINUATION_CASES) {
      const whole = await streamAnswer(first.url, body)
      for (const others of [0, OTHERS]) {
        const company = keepBusy(second.url, others)
        const outcomes: CutOutcome[] = []
        for (let cut = 0; cut < cuts; cut++) {
          progress(`${name}, beside ${others} others: ${cut + 1} of ${cuts}`)
          const events = 1 + random.below(whole.pieces.length - 2)
          const outcome = await continueAfter(second.url, body, whole, events)
          outcomes.push(outcome)
          if (!outcome.isSame) wrong.push(`${name}, beside ${others}: another answer after ${outcome.tokens} tokens`)
          if (outcome.drawn !== outcome.left)
            wrong.push(`${name}, beside ${others}: ${outcome.drawn} tokens came, ${outcome.left} were left`)
        }
        await company.stop()
        figures[`${name}, beside ${others} others`] = {
          tokens: whole.pieces.flatMap(({ ids }) => ids).length,
          same: outcomes.filter(({ isSame }) => isSame).length,
          gapMsMedian: round(median(outcomes.map(({ gapMs }) => gapMs))),
          gapMsMax: round(Math.max(...outcomes.map(({ gapMs }) => gapMs))),
        }
      }
    }
  } finally {
    progressDone()
    await Promise.all([first.stop(), second.stop()])
  }
  console.log(JSON.stringify(figures, null, 2))
  if (wrong.length > 0) throw new Error(wrong.slice(0, 20).join('\n'))
  conclude('continuation', { figures, ratios: {} }, options)
})

/** So many streams of other prompts, each begun anew when it ends, until they are stopped. */
function keepBusy(url: string, streams: number): { stop(): Promise<void> } {
  let isOver = false
  const running = Array.from({ length: streams }, async (_, index) => {
    for (let turn = 0; !isOver; turn++) {
      const messages = [{ role: 'user', content: `Write about the number ${index * 100 + turn}.` }]
      await streamAnswer(url, { messages, temperature: 0.9, seed: index, max_tokens: 60 })
    }
  })
  return {
    async stop() {
      isOver = true
      await Promise.all(running)
    },
  }
}
