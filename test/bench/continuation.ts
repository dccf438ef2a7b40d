/**
 * `npm run long:continuation`: a seeded stream is cut at each of 50 random places and goes on at a second server from its token ids, alone
 * and beside seven other streams, in words and inside a tool call's arguments. The joined answer must be the one that was never cut, and the
 * second server must have computed nothing for it but the uncached part of the prompt and the replay, nor waited for anything but these and
 * the runs of the streams beside it.
 */
import type { ShownTimings } from '../../functions/inference/http/shown-timings.ts'
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

/** Continuations at a time, in company. */
const LANES = 4
/** The gap over the model's runs within it: what is left is HTTP, drawing, copying, and waiting for what should not be waited for. */
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
        // Its prompt is cached and its grammar compiled afterwards, as in a server that has been at work.
        await streamAnswer(second.url, body)
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
        for (const outcome of outcomes) {
          const { isSame, tokens, drawn, left } = outcome
          if (!isSame) wrong.push(`${where}: another answer after ${tokens} tokens`)
          if (drawn !== left) wrong.push(`${where}: ${drawn} tokens came, ${left} were left`)
          for (const said of beyond(outcome)) wrong.push(`${where}, cut after ${tokens}: ${said}`)
        }
        const summary = summaryOf(outcomes, others === 0)
        if (summary.gapOverRuns > GAP_TOLERANCE)
          wrong.push(`${where}: the gap is ${summary.gapOverRuns} times the runs in it`)
        figures[where] = {
          tokens: whole.pieces.flatMap(({ ids }) => ids).length,
          maxTokens: body.max_tokens,
          same: outcomes.filter(({ isSame }) => isSame).length,
          exactCounts: outcomes.filter(({ drawn, left }) => drawn === left).length,
          exactWork: outcomes.filter((outcome) => beyond(outcome).length === 0).length,
          ...summary,
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

/** Tokens that the engine computed there beyond the prompt's uncached part and the replay, in words; empty is right. */
function beyond({ tokens, left, promptTokens, cachedTokens, timings }: CutOutcome): string[] {
  if (timings === null) return left === 0 ? [] : ['the engine did not tell what it computed']
  const uncached = promptTokens - cachedTokens
  const said: string[] = []
  if (timings.prompt_tokens !== uncached)
    said.push(`${timings.prompt_tokens} tokens of the prompt were computed, ${uncached} were not cached`)
  if (timings.replayed_tokens !== tokens) said.push(`${timings.replayed_tokens} tokens were replayed, not ${tokens}`)
  return said
}

/**
 * What a gap was made of, by the engine's own clock in the same moment: so it does not matter how fast the machine was. Alone there is
 * nobody else to wait for; in company the runs of the others count, too.
 */
function summaryOf(outcomes: readonly CutOutcome[], isAlone: boolean) {
  const told = outcomes.flatMap(({ gapMs, timings }) => (timings === null ? [] : [{ gapMs, timings }]))
  const runs = told.map(({ timings }) => timings.prompt_ms + timings.replay_ms + (isAlone ? 0 : timings.others_ms))
  const ratios = told.map(({ gapMs }, index) => gapMs / (runs[index] ?? Number.NaN))
  const of = (name: keyof ShownTimings) => told.map(({ timings }) => timings[name])
  return {
    gapMsMedian: round(median(told.map(({ gapMs }) => gapMs))),
    promptTokensComputedMax: Math.max(...of('prompt_tokens')),
    replayedTokensMedian: round(median(of('replayed_tokens'))),
    promptMsMedian: round(median(of('prompt_ms'))),
    replayMsMedian: round(median(of('replay_ms'))),
    othersMsMedian: round(median(of('others_ms'))),
    maskMsMax: round(Math.max(...of('mask_ms'))),
    gapOverRuns: round(median(ratios)),
    gapOverRunsMax: round(Math.max(...ratios)),
  }
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
