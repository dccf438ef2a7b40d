/** A seeded mix of what callers do, some of it rude, at a server that must lose nothing by it. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Random, seededRandom } from '../../support/seeded-random.ts'
import { until } from '../../support/until.ts'
import { MODEL, metric, readEvents } from '../http/real-server.ts'
import type { ServerProcess } from './server-process.ts'

export type SoakOutcome = {
  /** What was done, and how it ended. */
  counts: Record<string, number>
  wrong: string[]
}

type Deed = { name: string; weight: number; run(url: string, random: Random): Promise<string> }

const CALLERS = 12
const WRONG_MAX = 20
/** An answer that breaks off within so long of a kill died of it. */
const KILL_SHADOW_MS = 5_000

/** The name by which the server must have an adapter. */
export const SOAK_ADAPTER = 'sentiment'
/** Enough for the longest way to the end of an answer under a schema. */
const SCHEMA_TOKENS = 96

const DEEDS: readonly Deed[] = [
  { name: 'chat', weight: 6, run: (url, random) => whole(url, chat(random)) },
  { name: 'stream', weight: 6, run: (url, random) => streamed(url, { ...chat(random), stream: true }) },
  {
    name: 'text',
    weight: 3,
    run: (url, random) => whole(url, { prompt: words(random), max_tokens: 8 }, '/v1/completions'),
  },
  { name: 'adapter', weight: 3, run: (url, random) => whole(url, { ...chat(random), model: SOAK_ADAPTER }) },
  { name: 'schema', weight: 3, run: (url, random) => underSchema(url, random) },
  { name: 'hang-up', weight: 4, run: hangUp },
  {
    name: 'long prompt',
    weight: 1,
    run: (url, random) => whole(url, { ...chat(random), messages: [user('sea '.repeat(200))] }),
  },
  { name: 'refused', weight: 2, run: refused },
]

const user = (content: string) => ({ role: 'user', content })

function words(random: Random): string {
  const of = ['sea', 'moon', 'tide', 'harbour', 'salt', 'gull', 'rope', 'mast']
  return Array.from({ length: 3 + random.below(20) }, () => random.pick(of)).join(' ')
}

function chat(random: Random): Record<string, unknown> {
  return {
    messages: [user(`Say something about ${words(random)}.`)],
    max_tokens: 1 + random.below(24),
    ...(random.chance(0.5) ? { temperature: 0 } : { seed: random.below(1_000), temperature: 0.9 }),
  }
}

function ask(url: string, body: object, path: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, ...body }),
    ...(signal && { signal }),
  })
}

const CHAT = '/v1/chat/completions'

async function whole(url: string, body: object, path = CHAT): Promise<string> {
  const response = await ask(url, body, path)
  const text = await response.text()
  return response.status === 200 ? 'answered' : ending(response.status, text)
}

const ending = (status: number, text: string) =>
  /engine_crashed|engine_unavailable/.test(text) ? 'died' : `status ${status}: ${text}`

/** Of so many schemas that compiled grammars cannot all be kept. */
async function underSchema(url: string, random: Random): Promise<string> {
  const name = words(random).split(' ', 1)[0] ?? ''
  const properties = {
    [name]: { type: 'string', maxLength: 4 + random.below(24) },
    kind: { enum: ['calm', 'rough', 'unknown'] },
    list: { type: 'array', items: { type: 'integer', minimum: 0, maximum: 10 + random.below(90) }, maxItems: 4 },
  }
  const required = Object.keys(properties)
  const schema = { type: 'object', properties, required, additionalProperties: false }
  const response = await ask(
    url,
    {
      ...{ ...chat(random), max_tokens: SCHEMA_TOKENS },
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    },
    CHAT,
  )
  const text = await response.text()
  if (response.status !== 200) return ending(response.status, text)
  // Sound: this is what the route answers; another shape throws below and counts as no answer.
  const { choices } = JSON.parse(text) as { choices: { message: { content: string } }[] }
  const content = choices[0]?.message.content ?? ''
  try {
    return Object.keys(JSON.parse(content)).join() === required.join() ? 'answered' : `another object: ${content}`
  } catch {
    return `no JSON: ${content}`
  }
}

async function streamed(url: string, body: object): Promise<string> {
  const response = await ask(url, body, CHAT)
  if (response.status !== 200) return `status ${response.status}: ${await response.text()}`
  const { events, isDone } = await readEvents(response)
  if (isDone) return 'answered'
  return JSON.stringify(events.at(-1)).includes('"engine_crashed"') ? 'died' : 'cut without a word'
}

async function hangUp(url: string, random: Random): Promise<string> {
  const leaving = new AbortController()
  const timer = setTimeout(() => leaving.abort(), random.below(200))
  try {
    const response = await ask(url, { ...chat(random), max_tokens: 200, stream: true }, CHAT, leaving.signal)
    await response.text()
    return 'answered'
  } catch {
    return 'left'
  } finally {
    clearTimeout(timer)
  }
}

async function refused(url: string, random: Random): Promise<string> {
  const wrong = [{ messages: [] }, { ...chat(random), temperature: -1 }, { ...chat(random), logit_bias: 7 }]
  const response = await ask(url, random.pick(wrong), CHAT)
  await response.text()
  return response.status === 400 ? 'refused' : `status ${response.status}`
}

/**
 * @param kills how often the engine's process is killed (SIGKILL) in between, each time when it serves again
 * @param enginePid of the living engine
 */
export async function soak(
  server: ServerProcess,
  options: { seed: number; requests: number; kills: number; enginePid(): number; onDone?: (done: number) => void },
): Promise<SoakOutcome> {
  const random = seededRandom(options.seed)
  const outcome: SoakOutcome = { counts: {}, wrong: [] }
  const bag = DEEDS.flatMap((deed) => Array.from({ length: deed.weight }, () => deed))
  const every = options.kills > 0 ? Math.floor(options.requests / (options.kills + 1)) : Number.POSITIVE_INFINITY
  let started = 0
  let done = 0
  let killedAt = Number.NEGATIVE_INFINITY
  let killing = Promise.resolve()

  async function kill() {
    const before = await metric(server.url, 'perigee_inference_engine_restarts')
    killedAt = performance.now()
    process.kill(options.enginePid(), 'SIGKILL')
    const ready = () => metric(server.url, 'perigee_inference_ready')
    const restarts = () => metric(server.url, 'perigee_inference_engine_restarts')
    await until('the engine is back', async () => (await restarts()) > before && (await ready()) === 1, 30_000)
    killedAt = performance.now()
  }

  const caller = async () => {
    while (started++ < options.requests) {
      const deed = random.pick(bag)
      const end = await deed.run(server.url, random)
      if (end === 'died' && performance.now() - killedAt < KILL_SHADOW_MS) count(`${deed.name}: killed`)
      else {
        count(`${deed.name}: ${end.slice(0, 40)}`)
        const expected = { 'hang-up': ['left', 'answered'], refused: ['refused'] }[deed.name] ?? ['answered']
        if (!expected.includes(end) && outcome.wrong.length < WRONG_MAX) outcome.wrong.push(`${deed.name}: ${end}`)
      }
      done += 1
      options.onDone?.(done)
      if (done % every === 0 && done / every <= options.kills) {
        killing = killing.then(kill)
        await killing
      }
      await pause(random.below(5))
    }
  }
  const count = (key: string) => {
    outcome.counts[key] = (outcome.counts[key] ?? 0) + 1
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  await killing
  return outcome
}
