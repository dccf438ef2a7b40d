/** One question to the edge before a misbehaving endpoint: how it is asked, what came, and what is wrong with that. */
import type { Continuation } from '../../src/contract/continuation.ts'
import type { Fault, MisbehavingEndpoint } from './misbehaving-endpoint.ts'
import { type AnswerKind, TEXTS, TOOL } from './scripted-answer.ts'

/** Cells at once: most of them wait for a time-out. */
const LANES = 16
/** A time-out of the first, the answer of the second, and a machine that is busy with the other cells. */
export const CELL_MS_MAX = 12_000

export type Cell = { id: string; fault: Fault | 'refuses'; kind: AnswerKind; way: Continuation; stream: boolean }

export type Answer = {
  status: number
  texts: string[]
  calls: string
  logged: string
  finish: (string | null)[]
  ids: string[]
  usages: object[]
  error: string | undefined
  isDone: boolean
  ms: number
}

export type ChaosEdge = { url: string; key: string; faulty: MisbehavingEndpoint; healthy: MisbehavingEndpoint }

export function ask(
  { url, key }: ChaosEdge,
  model: string,
  { id, fault, kind, stream }: Omit<Cell, 'way'>,
): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      stream,
      ...(stream ? { stream_options: { include_usage: true } } : {}),
      messages: [{ role: 'user', content: `cell=${id} kind=${kind} fault=${fault};` }],
      ...(kind === 'two' ? { n: 2 } : {}),
      ...(kind === 'tools' ? { tools: [{ type: 'function', function: { name: TOOL, parameters: {} } }] } : {}),
      ...(kind === 'logprobs' ? { logprobs: true } : {}),
    }),
  })
}

type Said = {
  content?: string | null
  tool_calls?: { function?: { name?: string; arguments?: string } }[]
}
type Choice = { index: number; delta?: Said; message?: Said; finish_reason: string | null; logprobs?: Logged | null }
type Logged = { content?: { token: string }[] }
type Event = { id?: string; choices?: Choice[]; usage?: object | null; error?: { code: string } }

/** `startedAt`: by performance.now(). */
export async function answered(response: Response, startedAt: number): Promise<Answer> {
  const text = await response.text()
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  const data = isStream
    ? text.split('\n\n').flatMap((event) => (event.startsWith('data: ') ? [event.slice(6)] : []))
    : [text]
  const isDone = isStream ? data.at(-1) === '[DONE]' : response.status === 200
  const answer: Answer = {
    ...{ status: response.status, texts: [], calls: '', logged: '', finish: [], ids: [], usages: [] },
    ...{ error: undefined, isDone, ms: performance.now() - startedAt },
  }
  for (const event of data.filter((said) => said !== '[DONE]').map((said): Event => JSON.parse(said))) {
    if (event.error) answer.error = event.error.code
    if (event.id !== undefined && !answer.ids.includes(event.id)) answer.ids.push(event.id)
    if (event.usage) answer.usages.push(event.usage)
    for (const { index, delta, message, finish_reason, logprobs } of event.choices ?? []) {
      const said = delta ?? message ?? {}
      answer.texts[index] = (answer.texts[index] ?? '') + (said.content ?? '')
      for (const { function: called } of said.tool_calls ?? []) {
        answer.calls += `${called?.name ?? ''}${called?.arguments ?? ''}`
      }
      answer.logged += (logprobs?.content ?? []).map(({ token }) => token).join('')
      if (finish_reason !== null) answer.finish[index] = finish_reason
    }
  }
  return answer
}

/** What is wrong with an answer that should be whole, or nothing. */
export function wrongWith({ faulty, healthy }: ChaosEdge, cell: Cell, answer: Answer): string | undefined {
  const { kind } = cell
  if (answer.status !== 200 || answer.error) return `status ${answer.status}, error ${answer.error}`
  if (!answer.isDone) return 'no [DONE]'
  const texts = kind === 'tools' ? [''] : TEXTS[kind]
  if (JSON.stringify(answer.texts) !== JSON.stringify(texts)) return `said ${JSON.stringify(answer.texts)}`
  if (kind === 'tools' && answer.calls !== TOOL + TEXTS.tools[0]) return `called ${answer.calls}`
  if (kind === 'logprobs' && answer.logged !== TEXTS.logprobs[0]) return `logged ${answer.logged}`
  if (answer.finish.some((reason) => reason !== (kind === 'tools' ? 'tool_calls' : 'stop'))) return `${answer.finish}`
  if (answer.ids.length !== 1) return `ids ${answer.ids}`
  if (answer.usages.length > 1) return `${answer.usages.length} usages`
  if (answer.ms > CELL_MS_MAX) return `${answer.ms} ms`
  const atFaulty = faulty.callsOf(cell.id).length
  const atHealthy = healthy.callsOf(cell.id).length
  if (atFaulty < (cell.fault === 'refuses' ? 0 : 1)) return 'the faulty endpoint was not called'
  if (atFaulty > 4 || atHealthy > 4 || atFaulty + atHealthy > 6) return `${atFaulty} and ${atHealthy} calls`
  return undefined
}

/** Several at once. */
export async function inLanes<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await each(item)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}
