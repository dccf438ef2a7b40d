/** A real inference server is killed in the middle of an answer: the caller gets the answer that it would have given. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CONTINUATION_CASES } from '../functions/robustness/continuation-cases.ts'
import { type FailoverWorld, failoverWorld, wrongWithCut } from '../support/failover-world.ts'

let world: FailoverWorld

beforeAll(async () => {
  world = await failoverWorld(['--context', '1024', '--slots', '8'])
})
afterAll(async () => {
  await world?.stop()
})

const [words, call] = CONTINUATION_CASES.map(({ body }) => ({ seed: 0, ...body }))
const other = {
  seed: 900,
  max_tokens: 60,
  temperature: 0.9,
  messages: [{ role: 'user', content: 'Name three rivers.' }],
}

test.each([
  ['in words, after one token', words, 1, []],
  ['in words, beside another', words, 37, [other]],
  ['inside a tool call', call, 25, []],
] as const)('kill -9 %s: the joined answer is the one that was never cut', async (_, body, tokens, company) => {
  if (body === undefined) throw new Error('There is no such case.')
  const whole = await world.whole(body)
  expect(whole.ids.length).toBeGreaterThan(tokens)
  const others = await Promise.all(company.map((each) => world.whole(each)))
  const cut = await world.cut(body, tokens, company)
  expect(wrongWithCut(whole, cut, others)).toEqual([])
})
