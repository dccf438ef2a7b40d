/** One isolate: the real middleware of the gate and the real sequence, over its own adapters before stores that are far away. */
import { Hono } from 'hono'
import { sha256Hex } from '../../../src/auth/api-key.ts'
import type { UsableKey } from '../../../src/auth/key-store.ts'
import { type ReadyKey, readyKey, storedKeys } from '../../../src/auth/stored-keys.ts'
import type { BudgetSet } from '../../../src/budgets/budget.ts'
import { leasedBudgets } from '../../../src/budgets/leased-budgets.ts'
import type { Price, Prices } from '../../../src/budgets/price.ts'
import { noCache } from '../../../src/cache/no-cache.ts'
import { complete } from '../../../src/chat/complete.ts'
import type { CompletePorts, ModelEvent, ModelEventStream } from '../../../src/chat/ports.ts'
import type { ChatChunk } from '../../../src/contract/chat-completion.ts'
import type { FilterRules } from '../../../src/contract/filter-rules.ts'
import { directory } from '../../../src/directory/directory.ts'
import { compiledSets, tenantFilters } from '../../../src/filter/tenant-filters.ts'
import { authenticate } from '../../../src/http/middleware/authenticate.ts'
import { declareRoute } from '../../../src/http/middleware/declare-route.ts'
import { limitHeaders } from '../../../src/http/middleware/limit-headers.ts'
import { providePorts } from '../../../src/http/middleware/ports.ts'
import { rateLimit } from '../../../src/http/middleware/rate-limit.ts'
import type { HttpPorts } from '../../../src/http/ports.ts'
import { answerError } from '../../../src/http/render/failure.ts'
import { type AppEnv, principalOf, type Route } from '../../../src/http/route.ts'
import { isolateLimits } from '../../../src/limits/isolate-limits.ts'
import type { LimitRule } from '../../../src/limits/limit-rules.ts'
import { noPrompts } from '../../../src/prompts/no-prompts.ts'
import type { EventClock } from '../event-clock.ts'
import { deploymentOf, modelsOf, routeOf } from '../routes.ts'
import { type FarStores, MODEL, timerOf } from './far-stores.ts'

/** An answer: its first batch after this, then the others, so far apart. */
const FIRST_TOKEN_MS = 300
const BATCHES = 4
const BATCH_TOKENS = 16
const BATCH_MS = 200
const PROMPT_TOKENS = 120

/** Status of the answer, when it is over. `asked` is called when the request reaches the model. */
export type GatedIsolate = (key: string, asked: () => void) => Promise<number>

export function gatedIsolate(clock: EventClock, stores: FarStores, id: string): GatedIsolate {
  const { nowMs, sleep } = clock
  const here = { waitUntil: (promise: Promise<unknown>) => void promise, nowMs, sleep }
  const known = directory({
    ...here,
    config: () => stores.config,
    reserve: { read: async () => undefined, keep: async () => undefined, drop: async () => undefined },
    setTimer: timerOf(clock),
  })
  const keys = storedKeys({
    nowMs,
    recall: known.remember<UsableKey, ReadyKey | undefined>({
      kind: 'key',
      load: (name) => stores.load('key', name),
      prepare: readyKey,
      key: ({ subject }) => subject,
      keysFromCallers: true,
    }),
  })
  const { requests, admission } = isolateLimits({
    ...here,
    store: stores.limits,
    rulesOf: known.remember<readonly LimitRule[], readonly LimitRule[]>({
      kind: 'limit',
      load: (name) => stores.load('limit', name),
      prepare: (rules) => rules ?? [],
    }),
    defaultsOf: () => [],
    every: everyOf(clock),
  })
  const prices = known.remember<Price[], Prices>({
    kind: 'price',
    load: (name) => stores.load('price', name),
    prepare: (current) => new Map((current ?? []).map((price) => [price.model, price])),
    key: () => 'all',
  })
  const filterRules = known.remember<FilterRules>({ kind: 'filter', load: (name) => stores.load('filter', name) })
  const sequence: Omit<CompletePorts, 'attempt'> = {
    models: modelsOf(routeOf([DEPLOYMENT], { alias: MODEL })),
    prompts: noPrompts,
    filters: tenantFilters(compiledSets(filterRules)),
    cache: noCache,
    admission,
    budgets: leasedBudgets({
      ...here,
      budgetsOf: known.remember<BudgetSet>({ kind: 'budget', load: (name) => stores.load('budget', name) }),
      prices: () => prices('all'),
      exchange: (_, report) => stores.exchange(report),
      countPrompt: async () => PROMPT_TOKENS,
      newIsolateId: () => id,
    }),
    meter: { begin: () => ({ waits: () => undefined, firstToken: () => undefined, end: () => undefined }) },
    drawSeed: () => 1,
  }
  // Sound: the middleware asks for no other ports.
  const ports = { keys, limits: requests, sha256Hex } as unknown as HttpPorts
  const app = new Hono<AppEnv>()
  app.use(providePorts(() => ports))
  app.on('POST', ROUTE.path, declareRoute(ROUTE), authenticate({ scope: 'chat' }), limitHeaders(), rateLimit())
  app.post(ROUTE.path, async (context) => {
    // Sound: it is what is handed to `fetch` below.
    const { asked } = context.env as unknown as { asked: () => void }
    const attempt: CompletePorts['attempt'] = async () => {
      asked()
      return { deployment: DEPLOYMENT, events: answer(clock) }
    }
    const call = {
      principal: principalOf(context),
      request: REQUEST,
      requestId: id,
      signal: new AbortController().signal,
    }
    const { events } = await complete({ ...sequence, attempt }, call)
    for await (const _ of events);
    return new Response()
  })
  app.onError(answerError)

  return async (key, asked) => {
    const headers = { authorization: `Bearer ${key}` }
    const response = await app.request(ROUTE.path, { method: 'POST', headers }, { asked })
    return response.status
  }
}

const ROUTE: Route = {
  method: 'POST',
  path: '/v1/chat/completions',
  errors: 'openai',
  access: { scope: 'chat' },
  handle: () => new Response(),
}

const REQUEST = {
  kind: 'chat' as const,
  body: {
    model: MODEL,
    messages: [{ role: 'user' as const, content: 'Which of these is the longest, and why? '.repeat(12) }],
  },
}

const DEPLOYMENT = deploymentOf()

async function* answer({ sleep }: EventClock): ModelEventStream & AsyncGenerator<ModelEvent[]> {
  await sleep(FIRST_TOKEN_MS)
  yield [chunk({ prompt_token_ids: Array.from({ length: PROMPT_TOKENS }, (_, index) => index) })]
  for (let batch = 0; batch < BATCHES; batch++) {
    if (batch > 0) await sleep(BATCH_MS)
    const token_ids = Array.from({ length: BATCH_TOKENS }, (_, index) => index)
    yield [chunk({}, { delta: { content: ' and some words' }, token_ids })]
  }
  const completion_tokens = BATCHES * BATCH_TOKENS
  const usage = { prompt_tokens: PROMPT_TOKENS, completion_tokens, total_tokens: PROMPT_TOKENS + completion_tokens }
  yield [chunk({ usage }, { finish_reason: 'stop', token_ids: [] })]
}

function chunk(more: Partial<ChatChunk>, choice: Partial<ChatChunk['choices'][number]> = {}): ChatChunk {
  const choices = [{ index: 0, delta: {}, finish_reason: null, ...choice }]
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: MODEL, choices, ...more }
}

function everyOf(clock: EventClock) {
  return (intervalMs: number, call: () => void) => {
    let isOff = false
    const again = () => {
      if (isOff) return
      call()
      clock.at(clock.nowMs() + intervalMs, again)
    }
    clock.at(clock.nowMs() + intervalMs, again)
    return () => {
      isOff = true
    }
  }
}
