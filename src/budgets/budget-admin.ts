/** The port BudgetAdmin: what D1 says of a tenant's budgets, with what its ledger has of them in the present period. */
import { AppError } from '../errors.ts'
import type { BudgetAdmin, BudgetRecord } from '../http/ports.ts'
import { answeringStore } from '../while-store-answers.ts'
import { accountId, periodEndMs, periodStartMs } from './budget.ts'
import type { BudgetStore, StoredBudget } from './budget-store.ts'
import type { BudgetUse } from './ledger.ts'

export function budgetAdmin(options: {
  store: BudgetStore
  use(tenantId: string, accountIds: readonly string[]): Promise<BudgetUse[]>
  now: () => number
}): BudgetAdmin {
  const { use, now } = options
  const store = answeringStore(options.store)

  async function withUse(tenantId: string, budgets: readonly StoredBudget[]): Promise<BudgetRecord[]> {
    const starts = budgets.map(({ period }) => periodStartMs(period, now()))
    const ids = budgets.map(({ id }, at) => accountId(id, starts[at] ?? 0))
    const uses = ids.length === 0 ? [] : await use(tenantId, ids).catch(unavailable)
    return budgets.map((budget, at) => {
      const { spent, presumed, reserved } = uses[at] ?? { spent: 0, presumed: 0, reserved: 0 }
      const left = Math.max(0, budget.limit - spent - presumed - reserved)
      return { ...budget, spent, presumed, reserved, left, resetsAtMs: periodEndMs(budget.period, starts[at] ?? 0) }
    })
  }

  async function one(tenantId: string, budget: StoredBudget): Promise<BudgetRecord> {
    const [record] = await withUse(tenantId, [budget])
    if (!record) throw new Error('One budget has one record.')
    return record
  }

  return {
    async list(tenantId, page) {
      const { data, hasMore } = await store.list(tenantId, page)
      return { data: await withUse(tenantId, data), hasMore }
    },
    async get(tenantId, id) {
      const budget = await store.find(tenantId, id)
      return budget && one(tenantId, budget)
    },
    put: async (tenantId, id, limit, expected) => one(tenantId, await store.put(tenantId, id, limit, expected)),
    remove: store.remove,
  }
}

function unavailable(cause: unknown): never {
  throw new AppError('store_unavailable', 'The ledger of the budgets does not answer.', { cause })
}
