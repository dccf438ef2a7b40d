/**
 * `npm run long:failover`: of two real inference servers behind the edge the first is killed with -9 at each of 30 random tokens of a seeded
 * stream, alone and beside seven others, in words and inside a tool call's arguments. What the caller has joined must be the answer that
 * was never cut, the second server must have generated just what was left, and one completion is billed.
 */
import { CONTINUATION_CASES } from '../functions/robustness/continuation-cases.ts'
import { failoverWorld, wrongWithCut } from '../support/failover-world.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'

const SEED = 5
const CUTS = 30
const CUTS_QUICK = 3
const OTHERS = 7
const SERVER = ['--context', '1024', '--slots', '8']

/** Answers in words that end at about the time of the one that is cut. */
const COMPANY = Array.from({ length: OTHERS }, (_, index) => ({
  ...{ seed: 500 + index, temperature: 0.9, max_tokens: 80 },
  messages: [{ role: 'user', content: `Write about the number ${index}.` }],
}))

await runBench('long:failover', [], async (options) => {
  const cuts = options.quick ? CUTS_QUICK : CUTS
  const random = seededRandom(SEED)
  const world = await failoverWorld(SERVER)
  const figures: Record<string, unknown> = { cuts, seed: SEED, server: SERVER, others: OTHERS }
  const wrong: string[] = []
  try {
    const aside = []
    for (const body of COMPANY) aside.push(await world.whole(body))
    for (const company of [[], COMPANY]) {
      for (const { name, body } of CONTINUATION_CASES.slice(0, 2)) {
        const seeded = { seed: 0, ...body }
        const whole = await world.whole(seeded)
        const where = `${name}, beside ${company.length} others`
        let right = 0
        for (let turn = 0; turn < cuts; turn++) {
          progress(`${where}: ${turn} of ${cuts}`)
          const tokens = 1 + random.below(whole.ids.length - 2)
          const cut = await world.cut(seeded, tokens, company)
          const said = wrongWithCut(whole, cut, company.length > 0 ? aside : [])
          if (said.length === 0) right += 1
          for (const problem of said) wrong.push(`${where}, killed after ${tokens}: ${problem}`)
        }
        figures[where] = { tokens: whole.ids.length, right }
        progressDone()
        console.log(`${where}: ${right} of ${cuts} right`)
      }
    }
  } finally {
    progressDone()
    await world.stop()
  }
  console.log(JSON.stringify(figures, null, 2))
  if (wrong.length > 0) throw new Error(wrong.slice(0, 20).join('\n'))
  conclude('failover', { figures, ratios: {} }, options)
})
