/** The parts of budgets, each alone: amounts, periods, the bound of a prompt, the ledger's rules, and what a request sees of its lease. */
import { describe, expect, test, vi } from 'vitest'
import {
  accountId,
  type Budget,
  type BudgetSet,
  budgetId,
  parseBudgetId,
  periodEndMs,
  periodStartMs,
} from '../../../src/budgets/budget.ts'
import { countPrompt } from '../../../src/budgets/count-prompt.ts'
import { leasedBudgets } from '../../../src/budgets/leased-budgets.ts'
import { LEASE_MS, ledger } from '../../../src/budgets/ledger.ts'
import type { LedgerReport, UsageEntry } from '../../../src/budgets/ledger-wire.ts'
import { costNano, type Price } from '../../../src/budgets/price.ts'
import { promptBound } from '../../../src/budgets/prompt-bound.ts'
import type { Demand, ModelRequest } from '../../../src/chat/ports.ts'
import type { ChatRequest } from '../../../src/contract/chat-completion.ts'
import { AppError } from '../../../src/errors.ts'
import { eventClock } from '../../support/event-clock.ts'
import { memoryLedgerSql } from '../../support/memory-ledger.ts'

const NOW_MS = Date.UTC(2026, 10, 24, 12)
const DAY = accountId('day-tokens', periodStartMs('day', NOW_MS))

const chat = (body: Partial<ChatRequest> & Record<string, unknown> = {}): ModelRequest => ({
  kind: 'chat',
  body: { model: 'm', messages: [{ role: 'user', content: 'Hi' }], ...body },
})

describe('amounts', () => {
  const price: Price = { model: 'm', version: 1, input: 37_500, cachedInput: 3_750, output: 600_000 }

  test('are whole nano-units, each part rounded up', () => {
    expect(costNano(price, 1, 0)).toBe(38)
    expect(costNano(price, 2, 1)).toBe(75 + 600)
    expect(costNano(price, 1_000_000, 0)).toBe(37_500_000)
    expect(costNano(price, 10, 0, 4)).toBe(225 + 15)
    expect(costNano(undefined, 10, 10)).toBe(0)
    expect(Number.isSafeInteger(costNano({ ...price, input: 1e9, output: 1e9 }, 8e6, 8e6))).toBe(true)
  })

  test('cannot be lessened by more cached tokens than the prompt has', () => {
    expect(costNano(price, 10, 0, 1_000)).toBe(costNano(price, 10, 0, 10))
  })
})

describe('periods', () => {
  test('are days and months of UTC', () => {
    const leapNight = Date.UTC(2028, 1, 29, 23, 59, 59, 999)
    expect(periodStartMs('day', leapNight)).toBe(Date.UTC(2028, 1, 29))
    expect(periodEndMs('day', Date.UTC(2028, 1, 29))).toBe(Date.UTC(2028, 2, 1))
    expect(periodStartMs('month', leapNight)).toBe(Date.UTC(2028, 1, 1))
    expect(periodEndMs('month', Date.UTC(2028, 11, 1))).toBe(Date.UTC(2029, 0, 1))
  })

  test('are in the id of a budget, with unit and key', () => {
    expect(parseBudgetId(budgetId('day', 'cost', 'key-a_1'))).toEqual({
      id: 'day-cost-key-a_1',
      period: 'day',
      unit: 'cost',
      keyId: 'key-a_1',
    })
    for (const id of ['week-tokens', 'day', 'day-tokens-', 'day-tokens-a@1', 'x-day-tokens']) {
      expect(parseBudgetId(id)).toBeUndefined()
    }
  })
})

describe('the bound of a prompt', () => {
  const bound = (request: ModelRequest) => promptBound(request).tokensMax

  test('is above every tokenizer of bytes: one a byte, whatever the script', () => {
    const text = 'a'.repeat(1_000) + 'ß'.repeat(1_000) + '漢'.repeat(1_000) + '😀'.repeat(1_000)
    const more =
      bound(chat({ messages: [{ role: 'user', content: text }] })) -
      bound(chat({ messages: [{ role: 'user', content: '' }] }))
    expect(more).toBe(1_000 + 2_000 + 3_000 + 4_000)
  })

  test('counts images, tools, calls and fields that templates may read', () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(100_000)}` } }
    const withImage = promptBound(
      chat({ messages: [{ role: 'user', content: [{ type: 'text', text: 'What?' }, image] }] }),
    )
    expect(withImage.isCountable).toBe(false)
    expect(withImage.tokensMax).toBeGreaterThan(16_384)
    expect(withImage.tokensMax).toBeLessThan(20_000)
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
    const withTools = promptBound(chat({ tools }))
    expect(withTools.isCountable).toBe(false)
    expect(withTools.tokensMax - bound(chat())).toBe(3 * JSON.stringify(tools).length)
    const calls = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }]
    expect(promptBound(chat({ messages: [{ role: 'assistant', content: null, tool_calls: calls }] })).isCountable).toBe(
      false,
    )
    expect(bound(chat({ documents: ['x'.repeat(500)] })) - bound(chat())).toBeGreaterThanOrEqual(500)
    expect(bound(chat({ stop: ['x'.repeat(500)], metadata: { a: 'x'.repeat(500) } }))).toBe(bound(chat()))
  })

  test('is the truth for token ids', () => {
    const ids: ModelRequest = { kind: 'text', body: { model: 'm', prompt: [1, 2, 3] } }
    expect(promptBound(ids)).toMatchObject({ tokensMax: 3, isExact: true })
    const text: ModelRequest = { kind: 'text', body: { model: 'm', prompt: 'abc' } }
    expect(promptBound(text)).toMatchObject({ tokensMax: 67, isExact: false, isCountable: false })
  })

  test('is kept where the model’s server cannot count', async () => {
    const failing = countPrompt({ count: () => Promise.reject(new AppError('upstream_unavailable', 'down')) })
    expect(await failing(demand())).toBeUndefined()
    const counting = countPrompt({ count: async () => ({ tokens: 5, contextTokens: 100 }) })
    expect(await counting(demand())).toBe(13)
  })
})

describe('the ledger', () => {
  const set = (limit: number, version = 1): BudgetSet => ({ version, budgets: [budget(limit)] })
  const need = (amount: number, unproven = false) => ({ amounts: { [DAY]: amount }, unproven })

  test('leases no more than is left, to whoever comes first', () => {
    const of = ledger(memoryLedgerSql())
    const first = of.exchange(report({ rules: set(100), needs: [need(60), need(50), need(30)] }), NOW_MS)
    expect(first.needs).toEqual(['met', 'alone', 'met'])
    expect(first.granted).toEqual({ [DAY]: 90 })
    const other = of.exchange(report({ isolateId: 'i2', needs: [need(11), need(10)], wanted: { [DAY]: 50 } }), NOW_MS)
    expect(other.needs).toEqual(['wait', 'met'])
    expect(other.granted).toEqual({ [DAY]: 10 })
    of.exchange(report({ isolateId: 'i2', sequence: 2, returned: { [DAY]: 10 } }), NOW_MS)
    expect(of.exchange(report({ sequence: 2, needs: [need(11)] }), NOW_MS).needs).toEqual(['alone'])
  })

  test('keeps most of what is left out of stores, and lets little be held by bounds', () => {
    const of = ledger(memoryLedgerSql())
    const answer = of.exchange(
      report({ rules: set(8_000), wanted: { [DAY]: 5_000 }, needs: [need(1_001, true), need(1_000, true)] }),
      NOW_MS,
    )
    expect(answer.needs).toEqual(['count', 'met'])
    expect(answer.granted[DAY]).toBe(1_000 + 875)
    const second = of.exchange(report({ isolateId: 'i2', wanted: { [DAY]: 5_000 } }), NOW_MS)
    expect(second.granted[DAY]).toBe(Math.floor((8_000 - 1_875) / 16))
  })

  test('counts usage once, also when it comes in another report', () => {
    const of = ledger(memoryLedgerSql())
    of.exchange(report({ rules: set(100), needs: [need(50)] }), NOW_MS)
    const used = report({ sequence: 2, usage: [{ entry: ENTRY, held: [DAY] }] })
    of.exchange(used, NOW_MS)
    of.exchange({ ...used, sequence: 3 }, NOW_MS)
    expect(of.use([DAY])).toEqual([{ spent: 30, presumed: 0, reserved: 20 }])
    expect(of.undelivered(10)).toHaveLength(1)
  })

  test('presumes what a silent isolate holds spent, until it speaks again', () => {
    const of = ledger(memoryLedgerSql())
    of.exchange(report({ rules: set(100), needs: [need(50)] }), NOW_MS)
    expect(of.nextExpiryMs()).toBe(NOW_MS + LEASE_MS)
    of.expire(NOW_MS + LEASE_MS - 1)
    expect(of.use([DAY])).toEqual([{ spent: 0, presumed: 0, reserved: 50 }])
    of.expire(NOW_MS + LEASE_MS)
    expect(of.use([DAY])).toEqual([{ spent: 0, presumed: 50, reserved: 0 }])
    expect(of.nextExpiryMs()).toBeUndefined()
    const other = of.exchange(report({ isolateId: 'i2', needs: [need(51)] }), NOW_MS)
    expect(other.needs).toEqual(['spent'])
    of.exchange(report({ sequence: 2, usage: [{ entry: ENTRY, held: [DAY] }], returned: { [DAY]: 15 } }), NOW_MS)
    expect(of.use([DAY])).toEqual([{ spent: 30, presumed: 0, reserved: 5 }])
  })

  test('takes the newest limits, and what was used before a budget was made counts', () => {
    const of = ledger(memoryLedgerSql())
    of.exchange(report({ usage: [{ entry: ENTRY, held: [] }] }), NOW_MS)
    const lowered = of.exchange(report({ sequence: 2, rules: set(40, 2), needs: [need(11), need(10)] }), NOW_MS)
    expect(lowered.needs).toEqual(['spent', 'met'])
    const stale = of.exchange(report({ isolateId: 'i2', rules: set(1_000, 1), needs: [need(1)] }), NOW_MS)
    expect([stale.rulesVersion, stale.needs]).toEqual([2, ['wait']])
    const removed = of.exchange(
      report({ isolateId: 'i2', sequence: 2, rules: { version: 3, budgets: [] }, needs: [need(1)] }),
      NOW_MS,
    )
    expect(removed.needs).toEqual(['met'])
  })

  test('keeps a tenant, its keys, days and months apart', () => {
    const of = ledger(memoryLedgerSql())
    const tomorrow = { ...ENTRY, id: 'e2', keyId: 'k2', startedAtMs: NOW_MS + 86_400_000 }
    of.exchange(
      report({
        usage: [
          { entry: ENTRY, held: [] },
          { entry: tomorrow, held: [] },
        ],
      }),
      NOW_MS,
    )
    const spent = (id: string) => of.use([id])[0]?.spent
    const month = periodStartMs('month', NOW_MS)
    expect(spent(DAY)).toBe(30)
    expect(spent(accountId('day-tokens', NOW_MS - (NOW_MS % 86_400_000) + 86_400_000))).toBe(30)
    expect(spent(accountId('month-tokens', month))).toBe(60)
    expect(spent(accountId('month-tokens-k', month))).toBe(30)
    expect(spent(accountId('month-cost-k2', month))).toBe(7)
  })
})

describe('a request', () => {
  function isolate(budgets: readonly Budget[]) {
    const clock = eventClock(NOW_MS)
    const of = ledger(memoryLedgerSql())
    const exchange = vi.fn(async (_: string, sent: LedgerReport) => {
      await clock.sleep(60)
      return of.exchange(structuredClone(sent), clock.nowMs())
    })
    const countPrompt = vi.fn(async (): Promise<number | undefined> => 10)
    const port = leasedBudgets({
      ...{ exchange, countPrompt, nowMs: clock.nowMs, sleep: clock.sleep },
      budgetsOf: () => (budgets.length === 0 ? undefined : { version: 1, budgets }),
      prices: () => new Map(),
      waitUntil: () => {},
      newIsolateId: () => 'i',
    })
    const settled = async <Value>(value: Value | Promise<Value>) => {
      const outcome = Promise.resolve(value).catch((thrown: unknown) => thrown)
      await clock.run(clock.nowMs() + 8_000)
      return outcome
    }
    return { port, clock, of, exchange, countPrompt, settled }
  }
  const usage = (prompt: number, completion: number) => ({
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  })

  test('of a tenant without a budget never waits and reserves nothing; its usage is told', async () => {
    const { port, clock, of, exchange } = isolate([])
    const held = port.reserve(demand())
    if (held instanceof Promise) throw new Error('It waits.')
    for (let tokens = 1; tokens < 1_000; tokens += 7) {
      expect(held.cover({ promptTokens: 3, completionTokens: tokens })).toBe(true)
    }
    await clock.run()
    expect(exchange).not.toHaveBeenCalled()
    held.settle(usage(3, 999))
    held.settle(usage(3, 999))
    await clock.run()
    expect(exchange).toHaveBeenCalledOnce()
    expect(of.undelivered(10).map(({ entry }) => entry)).toMatchObject([
      { promptTokens: 3, completionTokens: 999, chargedTokens: 1_002 },
    ])
  })

  test('waits for the ledger once; the next and their steps take from what is in store', async () => {
    const { port, clock, settled, of } = isolate([budget(1_000_000)])
    const first = await settled(port.reserve(demand()))
    const second = port.reserve(demand())
    if (second instanceof Promise || first instanceof Error) throw new Error('It waits.')
    for (let tokens = 10; tokens < 600; tokens += 10) {
      expect(second.cover({ promptTokens: 3, completionTokens: tokens })).toBe(true)
      await clock.run(clock.nowMs() + 100)
    }
    second.settle(usage(3, 599))
    ;(first as typeof second).settle(undefined)
    await clock.run()
    expect(of.use([DAY])).toEqual([{ spent: 602, presumed: 0, reserved: 0 }])
  })

  test('near the end is counted instead of bounded, and only then', async () => {
    const { port, countPrompt, settled } = isolate([budget(100_000)])
    await settled(port.reserve(demand()))
    expect(countPrompt).not.toHaveBeenCalled()
    const near = isolate([budget(1_000)])
    // Its bound is above a thousand.
    const held = await near.settled(near.port.reserve(demand()))
    expect(near.countPrompt).toHaveBeenCalledOnce()
    expect(held).not.toBeInstanceOf(Error)
    expect(near.of.use([DAY])[0]?.reserved).toBeLessThan(100)
  })

  test('is refused at once where the budget is known to be spent, and told which and until when', async () => {
    const { port, settled, exchange } = isolate([budget(12, 'k')])
    const first = await settled(port.reserve(demand()))
    expect(first).toMatchObject({
      code: 'insufficient_quota',
      retryAfterSeconds: expect.any(Number),
      details: { budget: 'day-tokens-k', resets_at: Date.UTC(2026, 10, 25) / 1_000 },
    })
    const spent = isolate([budget(40)])
    const held = await spent.settled(spent.port.reserve(demand({ max_tokens: 20 })))
    ;(held as { settle(used: object): void }).settle(usage(30, 20))
    await spent.clock.run(spent.clock.nowMs() + 5_000)
    // What was used beyond what was left is not charged.
    expect(spent.of.use([DAY])[0]?.spent).toBeLessThanOrEqual(40)
    expect(exchange).toHaveBeenCalled()
  })

  test('does not wait for what nobody else holds', async () => {
    const { port, clock, settled } = isolate([budget(200)])
    const held = await settled(port.reserve(demand()))
    if (held instanceof Error) throw held
    const startMs = clock.nowMs()
    let endedAtMs = 0
    const covered = (held as Exclude<ReturnType<typeof port.reserve>, Promise<unknown>>).cover({
      promptTokens: 10,
      completionTokens: 186,
    })
    void Promise.resolve(covered).then(() => {
      endedAtMs = clock.nowMs()
    })
    expect(await settled<unknown>(covered)).toBe('last')
    expect(endedAtMs - startMs).toBeLessThan(1_500)
  })

  test('that waits for what others hold gets it when they end', async () => {
    const { port, clock, settled } = isolate([budget(60)])
    const held = (await settled(port.reserve(demand({ max_tokens: 40 })))) as {
      settle(used: object): void
      cover(progress: object): unknown
    }
    expect(held).not.toBeInstanceOf(Error)
    held.cover({ promptTokens: 10, completionTokens: 30 })
    await clock.run(clock.nowMs() + 500)
    const waiting = port.reserve(demand())
    await clock.run(clock.nowMs() + 1_000)
    held.settle(usage(10, 5))
    expect(await settled(waiting)).not.toBeInstanceOf(Error)
  })
})

function budget(limit: number, keyId?: string): Budget {
  return {
    id: budgetId('day', 'tokens', keyId),
    period: 'day',
    unit: 'tokens',
    limit,
    ...(keyId === undefined ? {} : { keyId }),
  }
}

const ENTRY: UsageEntry = {
  ...{ id: 'e1', tenantId: 't', requestId: 'req_1', keyId: 'k', model: 'm' },
  ...{ promptTokens: 20, cachedTokens: 0, completionTokens: 10, chargedTokens: 30, cost: 7, priceVersion: 1 },
  ...{ startedAtMs: NOW_MS, endedAtMs: NOW_MS },
}

function report(more: Partial<LedgerReport>): LedgerReport {
  return { isolateId: 'i1', sequence: 1, usage: [], returned: {}, wanted: {}, needs: [], ...more }
}

function demand(body: Partial<ChatRequest> = {}): Demand {
  return { principal: { tenantId: 't', keyId: 'k', scopes: [] }, alias: 'm', requestId: 'req_1', request: chat(body) }
}
