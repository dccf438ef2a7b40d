/**
 * `npm run bench:affinity`: on two real inference servers, which share of the prompts' tokens need not be computed when affinity chooses,
 * beside taking turns; and what a choice costs. docs/performance.md says how to read it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningServer, startServer } from '../../functions/inference/http/start-server.ts'
import { parseSettings } from '../../functions/inference/settings.ts'
import { requestFacts } from '../../src/chat/request-facts.ts'
import type { ChatResponse, Message } from '../../src/contract/chat-completion.ts'
import { choose } from '../../src/routing/choose/choose.ts'
import { deploymentOf, routeOf } from '../support/routes.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { costOfChoosing } from './affinity/cost-of-choosing.ts'
import { type ModelFiles, modelFiles } from './engine/model-files.ts'
import { runBench } from './measure/options.ts'
import { conclude } from './measure/outcome.ts'
import { progress, progressDone } from './measure/progress.ts'
import { median, round } from './measure/statistics.ts'
import { table } from './measure/table.ts'

const SERVERS = 2
const SLOTS = 2
const CONVERSATIONS = 3 * SERVERS * SLOTS
const TURNS = 5
const MESSAGE_TOKENS = 40
const ANSWER_TOKENS = 16
const SYSTEM_TOKENS = 80
/** Of each server: as many conversations of mean length as it has slots, and half of one more. */
const CACHE_MB = 24
const CONTENDERS = ['affinity', 'round_robin'] as const
type Contender = (typeof CONTENDERS)[number]

type Served = { promptTokens: number; cachedTokens: number; ms: number; server: number }

await runBench('bench:affinity', CONTENDERS, async (options) => {
  const files = await modelFiles()
  const figures: Record<string, object> = {}
  const shares: Partial<Record<Contender, number>> = {}
  const rows: string[][] = []
  for (const contender of CONTENDERS) {
    if (options.only.length > 0 && !options.only.includes(contender)) continue
    const served = await measure(contender, files, options.quick ? 2 : TURNS)
    const sum = (of: (one: Served) => number) => served.reduce((total, one) => total + of(one), 0)
    const cachedShare = round(sum((one) => one.cachedTokens) / sum((one) => one.promptTokens))
    shares[contender] = cachedShare
    const onFirst = round(sum(({ server }) => (server === 0 ? 1 : 0)) / served.length)
    const figure = {
      cachedShare,
      medianMs: round(median(served.map(({ ms }) => ms))),
      shareOfFirstServer: onFirst,
      requests: served.length,
    }
    figures[contender] = figure
    rows.push([contender, ...Object.values(figure).map(String)])
  }
  progressDone()
  const chooseUs = costOfChoosing(options.quick ? 2_000 : 50_000)
  console.log(table(['two servers', 'cached share', 'median ms', 'on the first', 'requests'], rows))
  console.log(
    table(
      ['one choice of three', 'us'],
      Object.entries(chooseUs).map(([name, us]) => [name, String(us)]),
    ),
  )
  const ratios = { cached_vs_round_robin: round((shares.affinity ?? Number.NaN) / (shares.round_robin ?? Number.NaN)) }
  const circumstances = {
    model: files.name,
    servers: SERVERS,
    slots: SLOTS,
    conversations: CONVERSATIONS,
    turns: TURNS,
    cacheMb: CACHE_MB,
  }
  conclude('affinity', { figures: { ...circumstances, ...figures, chooseUs }, ratios }, options)
})

async function measure(contender: Contender, files: ModelFiles, turns: number): Promise<Served[]> {
  const servers: RunningServer[] = []
  try {
    for (let index = 0; index < SERVERS; index++) {
      const words = ['--port', '0', '--slots', String(SLOTS), '--context', '1024', '--threads', '1']
      const parsed = parseSettings([...words, '--prefix-cache-mb', String(CACHE_MB)], {})
      if (parsed.kind !== 'settings') throw new Error(`The settings of the bench are wrong: ${JSON.stringify(parsed)}`)
      servers.push(await startServer(parsed.settings, (line) => console.error(line)))
    }
    const servings = await Promise.all(servers.map((server) => server.serve(files.modelFolder)))
    const tokenizer = servings[0]?.tokenizer
    if (tokenizer === undefined) throw new Error('There is no server.')
    const text = readFileSync(join(import.meta.dirname, '../../functions/inference/models/english.txt'), 'utf8')
    const tokens = tokenizer.encode(text, { specialTokens: false })
    const random = seededRandom(7)
    const piece = (length: number) => {
      const start = random.below(tokens.length - length)
      return tokenizer.decode(tokens.slice(start, start + length))
    }
    const router = routerOf(contender, files.name)
    const system: Message = { role: 'system', content: piece(SYSTEM_TOKENS) }
    const open = Array.from({ length: CONVERSATIONS }, () => ({ messages: [system], turnsLeft: turns }))
    const served: Served[] = []
    // As many at once as there are slots; whoever's turn it is comes by chance, as people do.
    const worker = async (): Promise<void> => {
      for (let taken = take(); taken !== undefined; taken = take()) {
        taken.messages.push({ role: 'user', content: piece(MESSAGE_TOKENS) })
        const { server, ended } = router(taken.messages)
        const { answer, ...figures } = await ask(servers[server]?.url ?? '', files.name, taken.messages)
        ended()
        served.push({ ...figures, server })
        taken.messages.push({ role: 'assistant', content: answer })
        progress(`${contender}: ${served.length} of ${CONVERSATIONS * turns}`)
        if (--taken.turnsLeft > 0) open.push(taken)
      }
    }
    const take = () => open.splice(random.below(open.length), 1)[0]
    await Promise.all(Array.from({ length: SERVERS * SLOTS }, worker))
    return served
  } finally {
    await Promise.all(servers.map((server) => server.stop(0)))
  }
}

function routerOf(contender: Contender, model: string) {
  let next = 0
  const deployments = Array.from({ length: SERVERS }, (_, index) => deploymentOf({ id: `server-${index}` }))
  const route = routeOf(deployments, { affinity: { by: 'prefix', spill: 1.5 } })
  const inFlight = new Map(deployments.map(({ id }) => [id, 0]))
  const chooser = choose(seededRandom(1).next)
  const principal = { tenantId: 'tnt_a', keyId: 'key_1', scopes: [] }
  return (messages: Message[]) => {
    if (contender === 'round_robin') return { server: next++ % SERVERS, ended() {} }
    const request = { kind: 'chat' as const, body: { model, messages } }
    const call = { principal, request, requestId: 'req_1', signal: new AbortController().signal }
    const [first] = chooser(route, requestFacts(call, request), ({ id }) => ({
      ...{ state: 'well', latencyMs: undefined, closedUntilMs: undefined },
      inFlight: inFlight.get(id) ?? 0,
    }))
    if (first === undefined) throw new Error('Nobody was chosen.')
    const add = (calls: number) => inFlight.set(first.id, (inFlight.get(first.id) ?? 0) + calls)
    add(1)
    return { server: deployments.indexOf(first), ended: () => add(-1) }
  }
}

async function ask(url: string, model: string, messages: Message[]) {
  const started = performance.now()
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    // Sampled, so that what was written need not be read again to be the same.
    body: JSON.stringify({ model, messages, temperature: 1, max_tokens: ANSWER_TOKENS, ignore_eos: true }),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  // Sound because our own server answers so.
  const { choices, usage } = (await response.json()) as ChatResponse
  return {
    answer: choices[0]?.message.content ?? '',
    promptTokens: usage?.prompt_tokens ?? 0,
    cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
    ms: performance.now() - started,
  }
}
