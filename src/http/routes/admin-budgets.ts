/**
 * `/admin/budgets`: how much a tenant or a key may use, and how much it has. Who runs the installation bounds tenants; a tenant's own
 * administrator may bound its keys, for that can only lessen what they use.
 */
import * as z from 'zod/mini'
import { BUDGET_ID } from '../../contract/budget-id.ts'
import { budgetIdSchema, putBudgetSchema } from '../../contract/budgets.ts'
import { unixSeconds } from '../../contract/unix-seconds.ts'
import { AppError } from '../../errors.ts'
import { deletedObject } from '../deleted-object.ts'
import { entityTag, expectedVersion } from '../entity-tag.ts'
import { listObject, pageFields } from '../page-query.ts'
import type { BudgetRecord } from '../ports.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import { type AppContext, principalOf, type Route } from '../route.ts'
import { targetTenant, tenantField, tenantQuery } from '../target-tenant.ts'

const READ = { errors: 'problem', access: { scope: 'limits:read' } } as const
const WRITE = { errors: 'problem', access: { scope: 'limits:write' } } as const
const LIST = z.strictObject({ ...pageFields(budgetIdSchema), ...tenantField })

export const listBudgets: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/budgets',
  async handle(context) {
    const { tenant_id, ...page } = readQuery(context, LIST)
    const tenantId = targetTenant(context, tenant_id, 'tenants:read')
    const budgets = await context.get('ports').budgets.list(tenantId, page)
    return context.json(listObject(budgets, budgetObject, ({ id }) => id))
  },
}

export const retrieveBudget: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/budgets/:id',
  async handle(context) {
    const tenantId = tenantOf(context, 'tenants:read')
    const budget = await context.get('ports').budgets.get(tenantId, context.req.param('id') ?? '')
    if (!budget) throw notFound()
    return answer(context, budget)
  },
}

export const putBudget: Route = {
  ...WRITE,
  method: 'PUT',
  path: '/admin/budgets/:id',
  body: 'text',
  async handle(context) {
    const tenantId = tenantOf(context, 'tenants:write')
    const { limit } = await readJson(context, putBudgetSchema)
    const id = context.req.param('id') ?? ''
    if (!budgetIdSchema.safeParse(id).success) {
      throw new AppError('invalid_request', 'A budget is named as day-tokens, month-cost or day-tokens-KEY.', {
        param: 'id',
      })
    }
    refuseUnlessMayBound(context, id)
    await refuseUnknownKey(context, tenantId, keyOf(id))
    return answer(context, await context.get('ports').budgets.put(tenantId, id, limit, expectedVersion(context)))
  },
}

export const deleteBudget: Route = {
  ...WRITE,
  method: 'DELETE',
  path: '/admin/budgets/:id',
  async handle(context) {
    const tenantId = tenantOf(context, 'tenants:write')
    const id = context.req.param('id') ?? ''
    refuseUnlessMayBound(context, id)
    const outcome = await context.get('ports').budgets.remove(tenantId, id, expectedVersion(context))
    if (outcome === 'missing') throw notFound()
    if (outcome === 'stale') {
      throw new AppError('stale_write', 'The budget is not what the condition says. Read it again, then delete.')
    }
    return context.json(deletedObject('budget', id))
  },
}

function tenantOf(context: AppContext, scope: 'tenants:read' | 'tenants:write'): string {
  return targetTenant(context, readQuery(context, tenantQuery).tenant_id, scope)
}

/** A tenant does not raise its own budget. */
function refuseUnlessMayBound(context: AppContext, id: string): void {
  if (keyOf(id) !== undefined || principalOf(context).scopes.includes('tenants:write')) return
  throw new AppError(
    'permission_denied',
    "This key lacks the scope tenants:write, which a whole tenant's budget needs.",
  )
}

async function refuseUnknownKey(context: AppContext, tenantId: string, keyId: string | undefined): Promise<void> {
  if (keyId === undefined || (await context.get('ports').knownKeys.has(tenantId, keyId))) return
  throw new AppError('resource_not_found', 'There is no such key, so nothing would count in this budget.', {
    param: 'id',
  })
}

/** Of `day-tokens-KEY`. */
function keyOf(id: string): string | undefined {
  return BUDGET_ID.exec(id)?.[3]
}

function answer(context: AppContext, budget: BudgetRecord): Response {
  return context.json(budgetObject(budget), 200, { etag: entityTag(budget.version) })
}

function budgetObject(budget: BudgetRecord): object {
  return {
    id: budget.id,
    object: 'budget',
    period: budget.period,
    unit: budget.unit,
    key_id: budget.keyId ?? null,
    limit: budget.limit,
    spent: budget.spent,
    presumed: budget.presumed,
    reserved: budget.reserved,
    left: budget.left,
    resets_at: unixSeconds(budget.resetsAtMs),
    version: budget.version,
    updated_at: unixSeconds(budget.updatedAtMs),
  }
}

function notFound(): AppError {
  return new AppError('resource_not_found', 'There is no such budget. GET /admin/budgets lists those there are.')
}
