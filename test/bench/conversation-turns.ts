/**
 * `npm run bench:conversation-turns`: how long the first token takes at the tenth turn of a conversation beside the first, with more
 * conversations than slots, over HTTP. docs/performance.md says how to read it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ShownTimings } from '../../functions/inference/http/shown-timings.ts'
import { type RunningServer, startServer } from '../../functions/inference/http/start-server.ts'
import { parseSettings } from '../../functions/inference/settings.ts'
import type { ChatChunk, Message } from '../../src/contract/chat-completion.ts'
import { type ModelFiles, modelFiles } from './engine/model-files.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, medianRatio, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

const SLOTS = 3
/** As many pairs of a first and a tenth turn are compared. */
const CONVERSATIONS = 7
const TURNS = 10
/** Nine messages and answers, and what the template puts around them, are then 1,000 tokens. */
const MESSAGE_TOKENS = 80
const ANSWER_TOKENS = 20
/** Less than anyone needs to read an answer and write the next message. */
const PAUSE_MS = 400

/** How requests ask, and whether there is a pause before each turn. */
const KINDS = {
  sampled: { temperature: 1, pauseMs: 0 },
  seeded: { temperature: 0, pauseMs: 0 },
  'seeded-with-pauses': { temperature: 0, pauseMs: PAUSE_MS },
} as const
type Kind = keyof typeof KINDS

type Turn = {
  firstTokenMs: number
  promptTokens: number
  computedTokens: number
  /** Of the first token's time, what the engine says that the model ran over the prompt. */
  promptRunMs: number
  /** What went by before the engine had the request and after its first token: HTTP, the template, the tokenizer. */
  outsideEngineMs: number
}
/** The last turn of a conversation, and the first of another one right before it: what slows the machine slows both. */
type Pair = { first: Turn; last: Turn }

await runBench('bench:conversation-turns', Object.keys(KINDS), async (options) => {
  const files = await modelFiles()
  const results = new Map<Kind, Pair[]>()
  for (const kind of Object.keys(KINDS) as Kind[]) {
    if (options.only.length > 0 && !options.only.includes(kind)) continue
    results.set(kind, await measure(kind, files, options.quick ? 2 : TURNS))
  }
  progressDone()
  const figures: Record<string, object> = {}
  const ratios: Record<string, number> = {}
  const rows: string[][] = []
  for (const [kind, pairs] of results) {
    const of = (name: keyof Pair, figure: keyof Turn) => pairs.map((pair) => pair[name][figure])
    ratios[kind] = round(medianRatio(of('last', 'firstTokenMs'), of('first', 'firstTokenMs')))
    // The model's own part of it, which is attention to what lies before.
    ratios[`${kind}-prompt-run`] = round(medianRatio(of('last', 'promptRunMs'), of('first', 'promptRunMs')))
    const summary = (name: keyof Pair) => ({
      firstTokenMs: round(median(of(name, 'firstTokenMs'))),
      promptTokens: round(median(of(name, 'promptTokens')), 4),
      computedTokens: round(median(of(name, 'computedTokens'))),
      promptRunMs: round(median(of(name, 'promptRunMs'))),
      outsideEngineMs: round(median(of(name, 'outsideEngineMs'))),
    })
    figures[kind] = { first: summary('first'), last: summary('last') }
    for (const name of ['first', 'last'] as const) {
      rows.push([`${kind}, ${name} turn`, ...Object.values(summary(name)).map(String)])
    }
  }
  console.log(
    table(
      ['medians', 'first token ms', 'prompt tokens', 'of them computed', 'ms of the run', 'ms outside the engine'],
      rows,
    ),
  )
  console.log(`\nTurn ${TURNS} over turn 1: ${JSON.stringify(ratios)}`)
  const circumstances = { model: files.name, slots: SLOTS, conversations: CONVERSATIONS, turns: TURNS }
  const asked = { messageTokens: MESSAGE_TOKENS, answerTokens: ANSWER_TOKENS, pauseMs: PAUSE_MS }
  conclude('conversation-turns', { figures: { ...circumstances, ...asked, ...figures }, ratios }, options)
})

async function measure(kind: Kind, files: ModelFiles, turns: number): Promise<Pair[]> {
  const parsed = parseSettings(['--port', '0', '--slots', String(SLOTS), '--context', '2048'], {})
  if (parsed.kind !== 'settings') throw new Error('The settings of the bench are wrong.')
  const server = await startServer(parsed.settings, (line) => console.error(line))
  try {
    const { tokenizer } = await server.serve(files.modelFolder)
    const text = readFileSync(join(import.meta.dirname, '../../functions/inference/models/english.txt'), 'utf8')
    const tokens = tokenizer.encode(text, { specialTokens: false })
    let messages = 0
    /** Each is another, and as long as the others. */
    function userMessage(): Message {
      const start = (++messages * 53) % (tokens.length - MESSAGE_TOKENS)
      return { role: 'user', content: tokenizer.decode(tokens.slice(start, start + MESSAGE_TOKENS)) }
    }
    async function turn(conversation: Message[]): Promise<Turn> {
      conversation.push(userMessage())
      await new Promise((resolve) => setTimeout(resolve, KINDS[kind].pauseMs))
      const { answer, ...figures } = await ask(server, files.name, kind, conversation)
      conversation.push({ role: 'assistant', content: answer })
      return figures
    }
    const conversations = Array.from({ length: CONVERSATIONS }, (): Message[] => [])
    for (let done = 0; done < turns - 1; done++) {
      progress(`${kind}: turn ${done + 1} of ${turns}`)
      for (const conversation of conversations) await turn(conversation)
    }
    progress(`${kind}: turn ${turns} of ${turns}, and first turns`)
    const pairs: Pair[] = []
    for (const conversation of conversations) pairs.push({ first: await turn([]), last: await turn(conversation) })
    return pairs
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
    body: JSON.stringify({ ...body, stream_options: { include_usage: true }, perigee: { timings: true } }),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  let firstTokenMs: number | undefined
  let answer = ''
  let turn: Turn | undefined
  let timings: ShownTimings | undefined
  let rest = ''
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      if (!block.startsWith('data: {')) continue
      // Sound because our own server sends chat chunks, and errors have no choices.
      const chunk = JSON.parse(block.slice('data: '.length)) as ChatChunk & { perigee?: { timings: ShownTimings } }
      const piece = chunk.choices[0]?.delta.content ?? ''
      if (piece !== '') firstTokenMs ??= performance.now() - started
      answer += piece
      timings ??= chunk.perigee?.timings
      if (!chunk.usage || firstTokenMs === undefined || timings === undefined) continue
      const { prompt_tokens, prompt_tokens_details } = chunk.usage
      const computedTokens = prompt_tokens - (prompt_tokens_details?.cached_tokens ?? 0)
      const promptRunMs = timings.prompt_ms
      const outsideEngineMs = firstTokenMs - timings.first_token_ms
      turn = { firstTokenMs, promptTokens: prompt_tokens, computedTokens, promptRunMs, outsideEngineMs }
    }
  }
  if (turn === undefined) throw new Error('An answer had no token or no usage.')
  return { ...turn, answer }
}
