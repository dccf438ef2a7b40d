/**
 * Thousands of answers at once against one tenant's budgets: real leases in several isolates, the real ledger in SQLite, a network that
 * is slow and loses calls, isolates that die, an object that is evicted, callers who leave, models that fail. Time is virtual, chance is seeded.
 */
import { accountId, type Budget, type BudgetSet, budgetId, periodStartMs } from '../../src/budgets/budget.ts'
import { leasedBudgets } from '../../src/budgets/leased-budgets.ts'
import { type Ledger, ledger } from '../../src/budgets/ledger.ts'
import type { LedgerAnswer, LedgerReport } from '../../src/budgets/ledger-wire.ts'
import { costNano, type Price } from '../../src/budgets/price.ts'
import type { Budgets, Demand } from '../../src/chat/ports.ts'
import { type EventClock, eventClock } from './event-clock.ts'
import { memoryLedgerSql } from './memory-ledger.ts'
import { type Random, seededRandom } from './seeded-random.ts'

export type Scenario = {
  seed: number
  requests: number
  isolates: number
  /** All requests come within this. Answers take up to two minutes. */
  arriveWithinMs: number
  /** Limit of the tenant's day, as a share of what all requests together would use. */
  budgetShare: number
  /** Prompts: how many of the requests have 200,000 tokens, the others have 20 to 2,000. */
  hugeShare: number
  /** Whether the model's server counts prompts when it is asked to. */
  hasTokenizer: boolean
  /** How many isolates die while requests come: before the budget's end, when most is held. */
  deaths: number
  /** Of what is possible, where 0.9 cannot be asked. */
  sharesAtLeast?: number
}

const CROWD = {
  seed: 1,
  requests: 10_000,
  isolates: 20,
  arriveWithinMs: 30_000,
  budgetShare: 0.5,
  hugeShare: 0,
  hasTokenizer: true,
  deaths: 3,
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  usual: CROWD,
  'huge prompts': { ...CROWD, hugeShare: 0.05 },
  'only huge': { ...CROWD, requests: 1_000, hugeShare: 1, deaths: 1 },
  'few huge': {
    ...CROWD,
    requests: 300,
    isolates: 8,
    arriveWithinMs: 5_000,
    budgetShare: 0.3,
    hugeShare: 1,
    deaths: 0,
  },
  plenty: { ...CROWD, budgetShare: 3, hugeShare: 0.01 },
  // Without a tokenizer the bound is all there is.
  'no tokenizer': { ...CROWD, hasTokenizer: false },
  'no tokenizer, huge': { ...CROWD, hugeShare: 0.05, hasTokenizer: false, deaths: 0 },
  // What a dead isolate held by bounds may have been read by models, up to the last byte: to count less as spent would be to hope.
  'no tokenizer, huge, deaths': { ...CROWD, hugeShare: 0.05, hasTokenizer: false, sharesAtLeast: 0.7 },
}

export type Outcome = {
  /** Tokens of the tenant's day. */
  limit: number
  spent: number
  presumed: number
  reserved: number
  /** What models really read and wrote. */
  used: number
  /** The same of answers whose isolate died. */
  usedByDead: number
  /** Written before a model could be stopped, not sent and not charged. */
  uncharged: number
  /** What an admitter who knows every answer's use beforehand would have let in, in the order in which they came. */
  possible: number
  admitted: number
  possiblyAdmitted: number
  refused: number
  /** How many were refused, by what they were told. */
  reasons: Record<string, number>
  cut: number
  whole: number
  /** Everything that a budget must never do, in words. Empty when all is well. */
  violations: string[]
}

const PRICE: Price = { model: 'm', version: 1, input: 150_000, cachedInput: 75_000, output: 600_000 }
const START_MS = Date.UTC(2026, 10, 24, 12)
const LATENCY_MS = 60
const TICK_MS = 20
const BYTES = 'x'.repeat(1_200_000)
const KEYS = ['k1', 'k2', 'k3', 'k4']

type Planned = {
  id: number
  atMs: number
  isolate: number
  keyId: string
  promptTokens: number
  promptBytes: number
  /** Whether the model tells the prompt's tokens with its first event, or only at the end. */
  tellsEarly: boolean
  completionTokens: number
  maxTokens: number | undefined
  ends: 'whole' | 'fails early' | 'fails' | 'hangs up'
  firstTokenMs: number
  batchTokens: number
  batchMs: number
}

type Isolate = { budgets: Budgets; isDead: boolean; diedAtMs: number }

export async function simulateBudgets(scenario: Scenario): Promise<Outcome> {
  const random = seededRandom(scenario.seed)
  const clock = eventClock(START_MS)
  const plan = planned(scenario, random)
  const total = plan.reduce((sum, request) => sum + fullUse(request), 0)
  const budgets: Budget[] = [
    { id: budgetId('day', 'tokens'), period: 'day', unit: 'tokens', limit: Math.floor(total * scenario.budgetShare) },
    {
      id: budgetId('month', 'cost'),
      period: 'month',
      unit: 'cost',
      limit: Math.floor(total * scenario.budgetShare) * 600,
    },
    // One key has a budget of its own that is smaller than its share.
    {
      id: budgetId('day', 'tokens', 'k1'),
      period: 'day',
      unit: 'tokens',
      keyId: 'k1',
      limit: Math.floor((total * scenario.budgetShare) / 8),
    },
  ]
  const set: BudgetSet = { version: 1, budgets }
  const violations: string[] = []
  const object = hostedLedger(clock, random, budgets, violations)

  let made = 0
  const isolate = (): Isolate => {
    made += 1
    const id = `i${made}`
    const self: Isolate = {
      budgets: { reserve: () => Promise.reject(new Error('not made')) },
      isDead: false,
      diedAtMs: Number.POSITIVE_INFINITY,
    }
    // Nothing goes on in an isolate that is dead.
    const alive = <Value>(value: Promise<Value>) =>
      new Promise<Value>((resolve, reject) =>
        value.then(
          (done) => self.isDead || resolve(done),
          (thrown) => self.isDead || reject(thrown),
        ),
      )
    self.budgets = leasedBudgets({
      budgetsOf: () => set,
      prices: () => new Map([['m', PRICE]]),
      exchange: (_, report) => alive(object.call(report)),
      countPrompt: (demand) =>
        alive(
          clock
            .sleep(80)
            .then(() => (scenario.hasTokenizer ? plan[Number(demand.requestId)]?.promptTokens : undefined)),
        ),
      waitUntil: () => {},
      nowMs: clock.nowMs,
      sleep: (ms) => alive(clock.sleep(ms)),
      newIsolateId: () => id,
    })
    return self
  }
  const isolates = Array.from({ length: scenario.isolates }, isolate)
  const deaths = Array.from({ length: scenario.deaths }, () => {
    return {
      index: random.below(scenario.isolates),
      atMs: START_MS + Math.floor((0.1 + 0.8 * random.next()) * scenario.arriveWithinMs),
    }
  })
  for (const { index, atMs } of deaths) {
    clock.at(atMs, () => {
      const dying = isolates[index]
      if (!dying) return
      dying.isDead = true
      dying.diedAtMs = clock.nowMs()
      isolates[index] = isolate()
    })
  }

  const runs = plan.map((request) => {
    const run = { request, used: 0, outcome: 'none', why: '', isLost: false }
    clock.at(request.atMs, () => {
      const host = isolates[request.isolate]
      if (host) void answer(clock, host, run).catch((thrown) => violations.push(String(thrown?.stack ?? thrown)))
    })
    return run
  })

  await clock.run()
  object.finish()
  for (const { isLost, outcome, request } of runs) {
    if (outcome === 'none' && !isLost && !deaths.some(({ index }) => index === request.isolate))
      violations.push(`request ${request.id} never ended`)
  }
  const day = accountId(budgetId('day', 'tokens'), periodStartMs('day', START_MS))
  const [use] = object.ledger().use([day])
  if (!use) throw new Error('The day has no account.')
  const limit = budgets[0]?.limit ?? 0
  const used = runs.reduce((sum, run) => sum + run.used, 0)
  const lost = runs.filter((run) => run.outcome === 'none')
  const usedByDead = lost.reduce((sum, run) => sum + run.used, 0)
  const best = allKnowing(plan, budgets, deaths)
  checkLog(object.ledger(), runs, violations)
  for (const { id, limit: most, unit } of budgets) {
    const account = accountId(id, periodStartMs(id.startsWith('day') ? 'day' : 'month', START_MS))
    const [{ spent, presumed, reserved } = { spent: 0, presumed: 0, reserved: 0 }] = object.ledger().use([account])
    if (reserved !== 0) violations.push(`${id}: ${reserved} ${unit} are still reserved`)
    if (spent + presumed > most) violations.push(`${id}: ${spent + presumed} of ${most} spent`)
  }
  const uncharged = object.uncharged()
  if (used - uncharged > use.spent + use.presumed)
    violations.push(`used ${used} of which ${use.spent + use.presumed} are counted`)
  const count = (outcome: string) => runs.filter((run) => run.outcome === outcome).length
  const refused = count('refused')
  return {
    ...{ limit, spent: use.spent, presumed: use.presumed, reserved: use.reserved, used, usedByDead, uncharged },
    ...{ possible: best.tokens, possiblyAdmitted: best.count, admitted: plan.length - refused, refused },
    reasons: counted(runs.flatMap(({ why }) => (why === '' ? [] : [why]))),
    ...{ cut: count('cut'), whole: count('whole'), violations },
  }
}

/** The ledger behind a network: calls and answers are slow, some are lost, and the object forgets its memory now and then. */
function hostedLedger(clock: EventClock, random: Random, budgets: readonly Budget[], violations: string[]) {
  const sql = memoryLedgerSql()
  let present = ledger(sql)
  let nextAlarmAtMs = Number.POSITIVE_INFINITY
  const alarm = () => {
    const due = present.nextExpiryMs()
    if (due === undefined || due >= nextAlarmAtMs) return
    nextAlarmAtMs = due
    clock.at(due, () => {
      nextAlarmAtMs = Number.POSITIVE_INFINITY
      present.expire(clock.nowMs())
      alarm()
    })
  }
  async function call(report: LedgerReport): Promise<LedgerAnswer> {
    const sent = structuredClone(report)
    await clock.sleep(LATENCY_MS)
    if (random.chance(0.02)) throw new Error('The call is lost.')
    if (random.chance(0.02)) present = ledger(sql)
    const answer = present.exchange(sent, clock.nowMs())
    watch()
    alarm()
    await clock.sleep(LATENCY_MS)
    if (random.chance(0.02)) throw new Error('The answer is lost.')
    return answer
  }
  function watch(): void {
    for (const { id, limit } of budgets) {
      const [use] = present.use([accountId(id, periodStartMs(id.startsWith('day') ? 'day' : 'month', START_MS))])
      if (use && use.spent + use.presumed + use.reserved > limit && violations.length < 20)
        violations.push(`${id}: ${JSON.stringify(use)} exceeds ${limit} at ${clock.nowMs() - START_MS}`)
    }
  }
  return {
    call,
    ledger: (): Ledger => present,
    finish: () => present.expire(clock.nowMs() + 86_400_000),
    uncharged: () =>
      present
        .undelivered(1_000_000)
        .reduce((sum, { entry }) => sum + entry.promptTokens + entry.completionTokens - entry.chargedTokens, 0),
  }
}

type Run = { request: Planned; used: number; outcome: string; why: string; isLost: boolean }

async function answer(clock: EventClock, host: Isolate, run: Run): Promise<void> {
  const { request } = run
  const demand: Demand = {
    principal: { tenantId: 't', keyId: request.keyId, scopes: [] },
    alias: 'm',
    requestId: String(request.id),
    request: {
      kind: 'chat',
      body: {
        model: 'm',
        messages: [{ role: 'user', content: BYTES.slice(0, request.promptBytes) }],
        ...(request.maxTokens === undefined ? {} : { max_tokens: request.maxTokens }),
      },
    },
  }
  let held: Awaited<ReturnType<Budgets['reserve']>>
  try {
    held = await host.budgets.reserve(demand)
  } catch (thrown) {
    run.outcome = 'refused'
    run.why = thrown instanceof Error ? thrown.message.replace(/ It resets.*/, '') : String(thrown)
    return
  }
  await clock.sleep(request.firstTokenMs)
  if (host.isDead) {
    run.isLost = true
    return
  }
  if (request.ends === 'fails early') {
    run.outcome = request.ends
    held.settle(undefined)
    return
  }
  run.used = request.promptTokens
  const endsAt = endOf(request)
  for (let completion = 0; ; ) {
    const batch = Math.min(request.batchTokens, endsAt - completion)
    completion += batch
    run.used += batch
    const isDone = completion >= endsAt
    const promptTokens = request.tellsEarly || isDone ? request.promptTokens : undefined
    const covered = held.cover({ promptTokens, completionTokens: completion })
    const verdict = covered === true ? 'paid' : await covered
    if (host.isDead) {
      run.isLost = true
      return
    }
    const isCut = verdict === 'unpaid' || (verdict === 'last' && !isDone)
    if (isDone || isCut) {
      run.outcome = isCut ? 'cut' : request.ends
      held.settle({
        prompt_tokens: request.promptTokens,
        completion_tokens: completion,
        total_tokens: request.promptTokens + completion,
      })
      return
    }
    await clock.sleep(request.batchMs)
    if (host.isDead) {
      run.isLost = true
      return
    }
  }
}

/** Every answer that ended is in the log once, with what was used. */
function checkLog(of: Ledger, runs: readonly Run[], violations: string[]): void {
  const logged = new Map<string, number>()
  for (const { entry } of of.undelivered(1_000_000)) {
    if (logged.has(entry.requestId)) violations.push(`request ${entry.requestId} is logged twice`)
    logged.set(entry.requestId, entry.promptTokens + entry.completionTokens)
  }
  for (const { request, outcome, used } of runs) {
    const isPaid = outcome !== 'none' && outcome !== 'refused' && outcome !== 'fails early'
    const tokens = logged.get(String(request.id))
    // An isolate may die after an answer has ended and before it has told: then the lease pays.
    if (isPaid && tokens !== undefined && tokens !== used)
      violations.push(`request ${request.id} used ${used}, logged ${tokens}`)
    if (!isPaid && tokens !== undefined) violations.push(`request ${request.id} is logged though it ${outcome}`)
  }
}

function planned(scenario: Scenario, random: Random): Planned[] {
  const logUniform = (from: number, to: number) => Math.floor(from * (to / from) ** random.next())
  return Array.from({ length: scenario.requests }, () => {
    const isHuge = random.chance(scenario.hugeShare)
    const promptTokens = isHuge ? 180_000 + random.below(20_000) : logUniform(20, 2_000)
    // Most text has four bytes a token, code and other scripts less.
    const promptBytes = Math.ceil(promptTokens * random.pick([4, 4, 4, 3, 2, 1.2]))
    const completionTokens = logUniform(10, 4_000)
    const fate = random.next()
    const batchTokens = 4 + random.below(8)
    return {
      id: 0,
      atMs: START_MS + Math.floor((random.next() * scenario.arriveWithinMs) / TICK_MS) * TICK_MS,
      isolate: random.below(scenario.isolates),
      keyId: random.pick(KEYS),
      ...{ promptTokens, promptBytes, completionTokens, batchTokens },
      tellsEarly: random.chance(0.9),
      maxTokens: random.chance(0.3) ? completionTokens + random.below(200) : undefined,
      ends: (fate < 0.03
        ? 'fails early'
        : fate < 0.06
          ? 'fails'
          : fate < 0.2
            ? 'hangs up'
            : 'whole') as Planned['ends'],
      firstTokenMs: TICK_MS * Math.ceil((200 + promptTokens / 20) / TICK_MS),
      batchMs: 200,
    }
  })
    .sort((a, b) => a.atMs - b.atMs)
    .map((request, id) => ({ ...request, id }))
}

/** After how many tokens the answer ends by itself, by failure or by its caller. */
function endOf({ ends, completionTokens, id }: Planned): number {
  if (ends === 'fails early') return 0
  return ends === 'whole' ? completionTokens : 1 + Math.floor((completionTokens - 1) * ((id % 97) / 97))
}

function fullUse(request: Planned): number {
  return request.ends === 'fails early' ? 0 : request.promptTokens + endOf(request)
}

/** In the order in which they came, each whose whole use still fits; an isolate's death ends its answers here too. */
function allKnowing(
  plan: readonly Planned[],
  budgets: readonly Budget[],
  deaths: readonly { index: number; atMs: number }[],
) {
  const left = budgets.map(({ limit }) => limit)
  let tokens = 0
  let count = 0
  for (const request of plan) {
    const completion = completionUntilDeath(request, deaths)
    const prompt = completion === undefined || request.ends === 'fails early' ? 0 : request.promptTokens
    const use = { tokens: prompt + (completion ?? 0), cost: costNano(PRICE, prompt, completion ?? 0) }
    const takes = budgets.map(({ unit, keyId }) => (keyId === undefined || keyId === request.keyId ? use[unit] : 0))
    if (takes.some((take, at) => take > (left[at] ?? 0))) continue
    takes.forEach((take, at) => {
      left[at] = (left[at] ?? 0) - take
    })
    tokens += use.tokens
    count += 1
  }
  return { tokens, count }
}

function completionUntilDeath(
  request: Planned,
  deaths: readonly { index: number; atMs: number }[],
): number | undefined {
  const death = Math.min(
    ...deaths.filter(({ index, atMs }) => index === request.isolate && atMs >= request.atMs).map(({ atMs }) => atMs),
  )
  const first = request.atMs + request.firstTokenMs
  if (death < first) return undefined
  const batches = Math.min(Number.MAX_SAFE_INTEGER, 1 + Math.floor((death - first) / request.batchMs))
  return Math.min(endOf(request), batches * request.batchTokens)
}

function counted(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
