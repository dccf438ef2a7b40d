/** Budgets, prices and usage. */
import { waitUntil } from 'cloudflare:workers'
import type { BudgetSet } from '../budgets/budget.ts'
import { budgetAdmin } from '../budgets/budget-admin.ts'
import { budgetStore } from '../budgets/budget-store.ts'
import { countPrompt } from '../budgets/count-prompt.ts'
import { leasedBudgets } from '../budgets/leased-budgets.ts'
import type { Price, Prices } from '../budgets/price.ts'
import { priceStore } from '../budgets/price-store.ts'
import { usageStore } from '../budgets/usage-store.ts'
import type { Budgets, TokenCounter } from '../chat/ports.ts'
import type { HttpPorts } from '../http/ports.ts'
import { answeringStore } from '../while-store-answers.ts'
import type { Isolate } from './isolate.ts'

type BudgetPorts = Pick<HttpPorts, 'budgets' | 'prices' | 'usage'> & { spending: Budgets }

/** `spending` is for `chat/complete`. */
export function wireBudgets(isolate: Isolate, counter: TokenCounter): BudgetPorts {
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
  return {
    spending: leasedBudgets({
      budgetsOf: directory.remember<BudgetSet>({ kind: 'budget', load: budgets.all }),
      prices: () => priceTable('all'),
      exchange: async (tenantId, report) => env.BUDGET.getByName(tenantId).exchange(report),
      countPrompt: countPrompt(counter),
      waitUntil,
      nowMs,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      newIsolateId: () => crypto.randomUUID(),
    }),
    budgets: budgetAdmin({
      store: budgets,
      use: async (tenantId, ids) => env.BUDGET.getByName(tenantId).use(ids),
      now: nowMs,
    }),
    prices: answeringStore(prices),
    usage: answeringStore(usageStore(env.DB)),
  }
}
