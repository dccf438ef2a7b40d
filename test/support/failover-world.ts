/** Two real inference servers behind the edge in workerd, of which the first is killed in the middle of its answers, again and again. */
import { join } from 'node:path'
import { makeApiKey } from '../../src/auth/api-key.ts'
import type { Usage } from '../../src/contract/chat-completion.ts'
import { processTree } from '../bench/measure/process-tree.ts'
import { MODEL, readEvents } from '../functions/http/real-server.ts'
import { type ServerProcess, startServerProcess } from '../functions/robustness/server-process.ts'
import { type CountedAnswer, countingProxy } from './counting-proxy.ts'
import type { Accounts } from './edge-accounts.ts'
import { plainWorkerd } from './plain-workerd.ts'
import { freePort } from './stack.ts'

export type Spoken = {
  text: string
  /** Names and arguments of tool calls. */
  calls: string
  ids: number[]
  reason: string
  usage: Usage | undefined
  joined: { from: string; to: string; by: string }[]
}

export type Cut = {
  answer: Spoken
  /** Tokens that the second server was given, and those that it generated, each time that it was asked for this answer. */
  second: CountedAnswer[]
  billed: (Usage | null)[]
  company: Spoken[]
}

export type FailoverWorld = Awaited<ReturnType<typeof failoverWorld>>

type Body = Record<string, unknown> & { seed: number }
type Event = {
  choices: {
    delta: { content?: string | null; tool_calls?: { function?: { name?: string; arguments?: string } }[] }
    finish_reason: string | null
    token_ids?: number[]
    perigee?: { joined?: Spoken['joined'] }
  }[]
  usage?: Usage | null
  error?: object
}

export async function failoverWorld(server: readonly string[]) {
  const port = await freePort()
  const startFirst = () => startServerProcess(['--port', String(port), '--embedding-model', 'none', ...server])
  let [first, second] = await Promise.all([startFirst(), startServerProcess(['--embedding-model', 'none', ...server])])
  const proxy = await countingProxy(second.url)
  const edge = await plainWorkerd(join(import.meta.dirname, '../worker/failover-worker.ts'), {
    FIRST_URL: first.url,
    SECOND_URL: proxy.url,
    MODEL,
  })
  const authorization = `Bearer ${makeApiKey()}`

  async function speak(model: string, body: Body, onTokens: (count: number) => void = () => {}): Promise<Spoken> {
    const response = await fetch(`${edge.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...body,
        model,
        stream: true,
        stream_options: { include_usage: true },
        return_token_ids: true,
      }),
    })
    if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`)
    const spoken: Spoken = { text: '', calls: '', ids: [], reason: '', usage: undefined, joined: [] }
    const { isDone } = await readEvents(response, (event) => {
      // Sound: these are the fields of OpenAI's events; a missing one shows as a difference.
      const { choices, usage, error } = event as Event
      if (error) throw new Error(JSON.stringify(error))
      spoken.usage = usage ?? spoken.usage
      for (const { delta, finish_reason, token_ids = [], perigee } of choices) {
        spoken.text += delta.content ?? ''
        for (const { function: called } of delta.tool_calls ?? []) {
          spoken.calls += `${called?.name ?? ''}${called?.arguments ?? ''}`
        }
        spoken.ids.push(...token_ids)
        spoken.reason = finish_reason ?? spoken.reason
        spoken.joined.push(...(perigee?.joined ?? []))
      }
      onTokens(spoken.ids.length)
    })
    if (!isDone) throw new Error('The stream was not complete.')
    return spoken
  }

  const accounts = async (): Promise<Accounts> => (await fetch(`${edge.url}/accounts`)).json()

  /** Resolves when another one answers in its place. */
  async function kill(victim: ServerProcess): Promise<ServerProcess> {
    for (const pid of processTree(victim.pid)) process.kill(pid, 'SIGKILL')
    return startFirst()
  }

  return {
    /** The answer that nobody interrupted. */
    whole: (body: Body) => speak('second', body),

    /** Asks the pair; kills the first when the answer has so many tokens; starts it again. */
    async cut(body: Body, tokens: number, company: readonly Body[] = []): Promise<Cut> {
      const before = await accounts()
      const asked = proxy.answers.length
      let killed: Promise<ServerProcess> | undefined
      const others = company.map((other) => speak('pair', other))
      const [answer, ...rest] = await Promise.all([
        speak('pair', body, (count) => {
          if (count >= tokens) killed ??= kill(first)
        }),
        ...others,
      ])
      if (killed) first = await killed
      const after = await accounts()
      return {
        answer,
        second: proxy.answers.slice(asked).filter(({ seed }) => seed === body.seed),
        billed: after.billed.slice(before.billed.length),
        company: rest,
      }
    },

    async stop(): Promise<void> {
      await edge.stop()
      await proxy.close()
      await Promise.all([first.stop(), second.stop()])
    },
  }
}

/** What is wrong with an answer that was cut, in words; empty is right. */
export function wrongWithCut(
  whole: Spoken,
  { answer, second, billed, company }: Cut,
  others: readonly Spoken[],
): string[] {
  const wrong: string[] = []
  if (!isSame(answer, whole)) wrong.push('another answer')
  const [continued] = second
  const left = whole.ids.length - (continued?.replayed ?? Number.NaN)
  if (second.length !== 1) wrong.push(`the second was asked ${second.length} times`)
  else if (continued?.generated !== left) wrong.push(`${continued?.generated} tokens were generated, ${left} were left`)
  if (answer.joined.length !== 1) wrong.push(`${answer.joined.length} joins are told`)
  if (billed.length !== 1 + others.length) wrong.push(`${billed.length} completions are billed`)
  if (answer.usage?.completion_tokens !== whole.usage?.completion_tokens) wrong.push('another usage')
  if (answer.usage?.prompt_tokens !== whole.usage?.prompt_tokens) wrong.push('another prompt')
  for (const [index, other] of others.entries()) {
    const same = company[index]
    if (!same || !isSame(same, other)) wrong.push(`another answer beside it (${index})`)
  }
  return wrong
}

function isSame(a: Spoken, b: Spoken): boolean {
  return a.text === b.text && a.calls === b.calls && a.reason === b.reason && a.ids.join() === b.ids.join()
}
