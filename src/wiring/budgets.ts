/** What a request may spend, and what is told of it. */
import { waitUntil } from 'cloudflare:workers'
import type { BudgetSet } from '../budgets/budget.ts'
import { budgetStore } from '../budgets/budget-store.ts'
import { countPrompt } from '../budgets/count-prompt.ts'
import { leasedBudgets } from '../budgets/leased-budgets.ts'
import type { Price, Prices } from '../budgets/price.ts'
import { priceStore } from '../budgets/price-store.ts'
import type { Budgets, TokenCounter } from '../chat/ports.ts'
import type { Isolate } from './isolate.ts'

export function wireBudgets(isolate: Isolate, counter: TokenCounter): Budgets {
  const { env, directory, stored, nowMs } = isolate
  const budgets = budgetStore(stored)
  const prices = priceStore(stored)
  const priceTable = directory.remember<Price[], Prices>({
    kind: 'price',
    load: () => prices.current(),
    prepare: (current) => new Map((current ?? []).map((price) => [price.model, price])),
    // The installation's, not a tenant's.
    key: () => 'all',
  })
  return leasedBudgets({
    budgetsOf: directory.remember<BudgetSet>({ kind: 'budget', load: budgets.all }),
    prices: () => priceTable('all'),
    exchange: async (tenantId, report) => env.BUDGET.getByName(tenantId).exchange(report),
    countPrompt: countPrompt(counter),
    waitUntil,
    nowMs,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    newIsolateId: () => crypto.randomUUID(),
  })
}
