import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ChatResponse } from '../../../src/contract/chat-completion.ts'
import { QUESTIONS } from '../engine/default-model.ts'
import { MODEL, post, type RealServer, startRealServer } from './real-server.ts'

let server: RealServer
beforeAll(async () => {
  server = await startRealServer()
})
afterAll(() => server.stop(0))

const PROMPTS = 32
const CALLERS = 8
/** As far as the kernels' differences take to show where the rules of sameness are broken: after 4 tokens on average, 24 at most. */
const ANSWER_TOKENS = 24

async function ask(index: number, temperature: number): Promise<string> {
  const question = `${QUESTIONS[index % QUESTIONS.length]}${index < QUESTIONS.length ? '' : ' Answer in one sentence.'}`
  const response = await post(`${server.url}/v1/chat/completions`, {
    model: MODEL,
    messages: [{ role: 'user', content: question }],
    max_tokens: ANSWER_TOKENS,
    temperature,
    seed: index,
    return_token_ids: true,
  })
  const { choices } = (await response.json()) as ChatResponse
  return JSON.stringify([choices[0]?.token_ids, choices[0]?.message.content, choices[0]?.finish_reason])
}

test.each([0, 0.8])(
  '32 prompts from 8 callers at once at temperature %s are answered as each is alone',
  async (temperature) => {
    const together = new Array<string>(PROMPTS)
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      for (let index = caller; index < PROMPTS; index += CALLERS) together[index] = await ask(index, temperature)
    })
    await Promise.all(callers)
    for (let index = 0; index < PROMPTS; index++) expect(await ask(index, temperature)).toBe(together[index])
    expect(new Set(together).size).toBeGreaterThan(PROMPTS / 2)
  },
)
