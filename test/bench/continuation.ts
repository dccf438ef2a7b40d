/**
 * `npm run long:continuation`: a seeded stream is cut at each of 50 random places and goes on at a second server from its token ids, alone
 * and beside seven other streams, in words and inside a tool call's arguments. The joined answer must be the one that was never cut.
 */
import {
  type CutOutcome,
  continueAfter,
  joined,
  type Streamed,
  streamAnswer,
} from '../functions/robustness/continuation.ts'
import { CONTINUATION_CASES } from '../functions/robustness/continuation-cases.ts'
import { startServerProcess } from '../functions/robustness/server-process.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, medianRatio, round } from './measure/statistics.ts'

const SEED = 3
const CUTS = 50
const CUTS_QUICK = 5
const OTHERS = 7
const SERVER = ['--context', '1024', '--slots', '8']

/** Uncut answers of the second server, by whose pace the gap is judged. */
const REFERENCES = 3
/** Continuations at a time, in company. */
const LANES = 4
/** Other streams come and go: what a step takes is not the same from one answer to the next. */
const GAP_TOLERANCE = 1.1

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
        const where = `${name}, beside ${others} others`
        // In company some of the others are continuations of other cuts.
        const lanes = others === 0 ? 1 : LANES
        const company = keepBusy(second.url, others + 1 - lanes)
        progress(`${where}: uncut`)
        const pace = await paceOf(second.url, body, lanes)
        const places = Array.from({ length: cuts }, () => 1 + random.below(whole.pieces.length - 2))
        const outcomes: CutOutcome[] = []
        const lane = async () => {
          for (let events = places.pop(); events !== undefined; events = places.pop()) {
            outcomes.push(await continueAfter(second.url, body, whole, events))
            progress(`${where}: ${outcomes.length} of ${cuts}`)
          }
        }
        await Promise.all(Array.from({ length: lanes }, lane))
        await company.stop()
        for (const { isSame, tokens, drawn, left } of outcomes) {
          if (!isSame) wrong.push(`${where}: another answer after ${tokens} tokens`)
          if (drawn !== left) wrong.push(`${where}: ${drawn} tokens came, ${left} were left`)
        }
        const gaps = outcomes.map(({ gapMs }) => gapMs)
        const bounds = outcomes.map(({ tokens }) => pace.promptMs + tokens * pace.stepMs)
        const gapOverPromptAndReplay = round(medianRatio(gaps, bounds))
        if (gapOverPromptAndReplay > GAP_TOLERANCE)
          wrong.push(`${where}: the gap is ${gapOverPromptAndReplay} times prompt and replay`)
        figures[where] = {
          tokens: whole.pieces.flatMap(({ ids }) => ids).length,
          maxTokens: body.max_tokens,
          same: outcomes.filter(({ isSame }) => isSame).length,
          exactCounts: outcomes.filter(({ drawn, left }) => drawn === left).length,
          gapMsMedian: round(median(gaps)),
          gapMsMax: round(Math.max(...gaps)),
          promptMs: round(pace.promptMs),
          stepMs: round(pace.stepMs),
          promptAndReplayMsMedian: round(median(bounds)),
          gapOverPromptAndReplay,
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

/** What the prompt and each token take there, as the cuts find it: the prompt is cached after the first answer, which does not count. */
async function paceOf(url: string, body: object, lanes: number): Promise<{ promptMs: number; stepMs: number }> {
  await streamAnswer(url, body)
  const uncut: Streamed[] = []
  const lane = async () => {
    while (uncut.length < REFERENCES) uncut.push(await streamAnswer(url, body))
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const steps = uncut.map(({ firstMs, lastMs, pieces }) => (lastMs - firstMs) / (joined(pieces).ids.length - 1))
  return { promptMs: median(uncut.map(({ firstMs }) => firstMs)), stepMs: median(steps) }
}

/** So many streams of other prompts, every other one under a grammar, each begun anew when it ends, until they are stopped. */
function keepBusy(url: string, streams: number): { stop(): Promise<void> } {
  let isOver = false
  const running = Array.from({ length: streams }, async (_, index) => {
    for (let turn = 0; !isOver; turn++) {
      const messages = [{ role: 'user', content: `Write about the number ${index * 100 + turn}.` }]
      const form = index % 2 === 0 ? {} : { response_format: { type: 'json_object' } }
      await streamAnswer(url, { messages, temperature: 0.9, seed: index, max_tokens: 60, ...form })
    }
  })
  return {
    async stop() {
      isOver = true
      await Promise.all(running)
    },
  }
}
