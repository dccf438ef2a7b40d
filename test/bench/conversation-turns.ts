/**
 * `npm run bench:conversation-turns`: how long the first token takes at the tenth turn of a conversation beside the first, with more
 * conversations than slots, over HTTP. docs/performance.md says how to read it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningServer, startServer } from '../../functions/inference/http/start-server.ts'
import { parseSettings } from '../../functions/inference/settings.ts'
import type { ChatChunk, Message } from '../../src/contract/chat-completion.ts'
import { type ModelFiles, modelFiles } from './engine/model-files.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

const SLOTS = 3
const CONVERSATIONS = 5
const TURNS = 10
/** The middle of the history at the tenth turn is then about 1,000 tokens. */
const MESSAGE_CHARS = 300
const ANSWER_TOKENS = 24
/** Less than anyone needs to read an answer and write the next message. */
const PAUSE_MS = 400

/** By how requests ask, and whether there is a pause before each turn. */
const KINDS = {
  sampled: { temperature: 1, pauseMs: 0 },
  seeded: { temperature: 0, pauseMs: 0 },
  'seeded-with-pauses': { temperature: 0, pauseMs: PAUSE_MS },
} as const
type Kind = keyof typeof KINDS

type Turn = { firstTokenMs: number; promptTokens: number; cachedTokens: number }

await runBench('bench:conversation-turns', Object.keys(KINDS), async (options) => {
  const files = await modelFiles()
  const turns = options.quick ? 2 : TURNS
  const results = new Map<string, Turn[][]>()
  for (const kind of Object.keys(KINDS) as Kind[]) {
    if (options.only.length > 0 && !options.only.includes(kind)) continue
    results.set(kind, await measure(kind, files, turns))
  }
  progressDone()
  const figures: Record<string, object> = {}
  const ratios: Record<string, number> = {}
  const rows: string[][] = []
  for (const [kind, byTurn] of results) {
    const of = (turn: number, value: (turn: Turn) => number) => round(median((byTurn[turn] ?? []).map(value)))
    const summary = (turn: number) => ({
      firstTokenMs: of(turn, ({ firstTokenMs }) => firstTokenMs),
      promptTokens: of(turn, ({ promptTokens }) => promptTokens),
      computedTokens: of(turn, ({ promptTokens, cachedTokens }) => promptTokens - cachedTokens),
    })
    const [first, last] = [summary(0), summary(turns - 1)]
    figures[kind] = { turn1: first, [`turn${turns}`]: last }
    ratios[kind] = round(last.firstTokenMs / first.firstTokenMs)
    for (const [name, { firstTokenMs, promptTokens, computedTokens }] of [
      ['1', first],
      [String(turns), last],
    ] as const) {
      rows.push([`${kind}, turn ${name}`, ...[firstTokenMs, promptTokens, computedTokens].map(String)])
    }
  }
  console.log(table(['medians', 'first token ms', 'prompt tokens', 'of them computed'], rows))
  console.log(`\nTurn ${turns} over turn 1: ${JSON.stringify(ratios)}`)
  const circumstances = { model: files.name, slots: SLOTS, conversations: CONVERSATIONS, answerTokens: ANSWER_TOKENS }
  conclude('conversation-turns', { figures: { ...circumstances, pauseMs: PAUSE_MS, ...figures }, ratios }, options)
})

/** @returns by turn, then by conversation */
async function measure(kind: Kind, files: ModelFiles, turns: number): Promise<Turn[][]> {
  const parsed = parseSettings(['--port', '0', '--slots', String(SLOTS), '--context', '2048'], {})
  if (parsed.kind !== 'settings') throw new Error('The settings of the bench are wrong.')
  const server = await startServer(parsed.settings, (line) => console.error(line))
  try {
    await server.serve(files.modelFolder)
    const text = readFileSync(join(import.meta.dirname, 'fixtures/english.txt'), 'utf8')
    const conversations = Array.from({ length: CONVERSATIONS }, (): Message[] => [])
    // Everything is touched and bound for the first time.
    await ask(server, files.name, kind, [{ role: 'user', content: text.slice(-MESSAGE_CHARS) }])
    const byTurn: Turn[][] = []
    for (let turn = 0; turn < turns; turn++) {
      progress(`${kind}: turn ${turn + 1} of ${turns}`)
      const measured: Turn[] = []
      for (const [index, messages] of conversations.entries()) {
        // Each message is another, and so is each conversation's beginning.
        const start = ((turn * CONVERSATIONS + index) * 149) % (text.length - 2 * MESSAGE_CHARS)
        messages.push({ role: 'user', content: `${index}. ${text.slice(start, start + MESSAGE_CHARS)}` })
        await new Promise((resolve) => setTimeout(resolve, KINDS[kind].pauseMs))
        const { answer, ...figures } = await ask(server, files.name, kind, messages)
        messages.push({ role: 'assistant', content: answer })
        measured.push(figures)
      }
      byTurn.push(measured)
    }
    return byTurn
  } finally {
    await server.stop(0)
  }
}

async function ask(
  { url }: RunningServer,
  model: string,
  kind: Kind,
  messages: Message[],
): Promise<Turn & { answer: string }> {
  const { temperature } = KINDS[kind]
  const body = { model, messages, temperature, max_tokens: ANSWER_TOKENS, stream: true }
  const started = performance.now()
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream_options: { include_usage: true } }),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  let firstTokenMs: number | undefined
  let answer = ''
  let turn: Turn | undefined
  let rest = ''
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      if (!block.startsWith('data: {')) continue
      // Sound because our own server sends chat chunks, and errors have no choices.
      const chunk = JSON.parse(block.slice('data: '.length)) as ChatChunk
      const piece = chunk.choices[0]?.delta.content ?? ''
      if (piece !== '') firstTokenMs ??= performance.now() - started
      answer += piece
      if (!chunk.usage || firstTokenMs === undefined) continue
      const { prompt_tokens, prompt_tokens_details } = chunk.usage
      const cachedTokens = prompt_tokens_details?.cached_tokens ?? 0
      turn = { firstTokenMs, promptTokens: prompt_tokens, cachedTokens }
    }
  }
  if (turn === undefined) throw new Error('An answer had no token or no usage.')
  return { ...turn, answer }
}
