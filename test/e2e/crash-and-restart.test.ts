/** What survives a killed process, and what a caller sees of it. */
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort, isRunning, makeStateDir, type Stack, startStack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const MODEL = 'smollm2-135m-instruct'
const state = makeStateDir()
let ports: { edge: number; inference: number }
let stack: Stack

beforeAll(async () => {
  ports = { edge: await freePort(), inference: await freePort() }
  stack = await startStack(state.path, ports)
})
afterAll(async () => {
  await stack?.stop()
  state.remove()
})

const headers = () => ({ authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' })

function longStory(): Promise<Response> {
  const body = {
    model: MODEL,
    stream: true,
    max_tokens: 1_500,
    messages: [{ role: 'user', content: 'Tell me a long story.' }],
  }
  return fetch(`${stack.url}/v1/chat/completions`, { method: 'POST', headers: headers(), body: JSON.stringify(body) })
}

/** Reads a stream to its end, calling `after` once when some text has arrived. */
async function readThrough(response: Response, after: () => void): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let called = false
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true })
    if (!called && text.split('\n\n').length > 5) {
      called = true
      after()
    }
  }
  return text
}

test('a killed engine ends the stream with an error event and no [DONE]; the next request works within 5 s', async () => {
  const [engine, ...others] = stack.processes('engine-child')
  expect(engine).toBeDefined()
  expect(others).toEqual([])
  const response = await longStory()
  let killedAt = 0
  const text = await readThrough(response, () => {
    process.kill(engine ?? 0, 'SIGKILL')
    killedAt = performance.now()
  })
  expect(text).not.toContain('[DONE]')
  expect(text.trimEnd().split('\n\n').at(-1)).toMatch(/^data: \{"error":\{"message":/)
  const openai = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: stack.key, maxRetries: 0 })
  const answer = await openai.chat.completions.create({
    model: MODEL,
    temperature: 0,
    messages: [{ role: 'user', content: 'What is 7 + 5?' }],
  })
  expect(answer.choices[0]?.message.content).toContain('12')
  expect(performance.now() - killedAt).toBeLessThan(5_000)
})

test('a killed inference server is started again, and that is said; who asks meanwhile is answered or told', async () => {
  const [server] = stack.processes('functions/inference/main.ts')
  process.kill(server ?? 0, 'SIGKILL')
  await stack.printed('inference was killed by SIGKILL; restarting', 5_000)
  const refused = await longStory()
  // Whoever asks meanwhile is waited with while tries are left, else told.
  expect([200, 502, 503]).toContain(refused.status)
  await refused.body?.cancel()
})

test('a Worker that does not answer any more is started again', async () => {
  const runtimes = stack.processes('workerd serve')
  expect(runtimes.length).toBeGreaterThan(0)
  for (const pid of runtimes) process.kill(pid, 'SIGKILL')
  await until(
    'the Worker answers again',
    () =>
      fetch(`${stack.url}/health`, { signal: AbortSignal.timeout(1_000) }).then(
        (answer) => answer.ok,
        () => false,
      ),
    60_000,
  )
})

test('a conversation goes on with its history after everything was restarted', async () => {
  await stack.stop()
  stack = await startStack(state.path, ports)
  const turn = async (body: object) => {
    const response = await fetch(`${stack.url}/chat`, {
      method: 'POST',
      headers: headers(),
      body: JSON.stringify(body),
    })
    expect(response.status).toBe(200)
    return (await response.json()) as { response: string; conversation_id: string }
  }
  const settings = { user_id: 'u1', model_config: { temperature: 0, max_tokens: 24 } }
  const first = await turn({ message: 'What is 7 + 5?', ...settings })
  const keyBefore = stack.key

  expect(await stack.stop()).toBe(0)
  stack = await startStack(state.path, ports)
  expect(stack.key).toBe(keyBefore)

  const second = await turn({ message: 'And plus 1?', conversation_id: first.conversation_id, ...settings })
  const openai = new OpenAI({ baseURL: `${stack.url}/v1`, apiKey: stack.key, maxRetries: 0 })
  const stateless = await openai.chat.completions.create({
    model: MODEL,
    temperature: 0,
    max_tokens: 24,
    messages: [
      { role: 'user', content: 'What is 7 + 5?' },
      { role: 'assistant', content: first.response },
      { role: 'user', content: 'And plus 1?' },
    ],
  })
  expect(second.response).toBe(stateless.choices[0]?.message.content)
})

test('Ctrl-C leaves no process behind', async () => {
  const before = stack.processes('')
  expect(before.length).toBeGreaterThan(2)
  expect(await stack.stop()).toBe(0)
  const alive = before.filter(isRunning)
  expect(alive).toEqual([])
})
