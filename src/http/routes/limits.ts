/** `/admin/limits`: the limits that a tenant sets for itself. Another tenant's are the same 404 as missing ones. */
import * as z from 'zod/mini'
import { EACH } from '../../contract/limit-each.ts'
import { limitChangeSchema, limitIdSchema, newLimitSchema } from '../../contract/limits.ts'
import type { Scope } from '../../contract/scopes.ts'
import { AppError } from '../../errors.ts'
import { deletedObject } from '../deleted-object.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import type { AppContext, Route } from '../route.ts'
import { targetTenant, tenantField, tenantQuery } from '../target-tenant.ts'

const shared = { path: '/admin/limits', errors: 'problem' } as const
const one = { path: '/admin/limits/:id', errors: 'problem' } as const
const read = { scope: 'limits:read' } as const
const write = { scope: 'limits:write' } as const
const LIST = z.strictObject({ ...pageFields(limitIdSchema), ...tenantField })

export const listLimits: Route = {
  ...shared,
  method: 'GET',
  access: read,
  async handle(context) {
    const { tenant_id, ...page } = readQuery(context, LIST)
    const limits = await tableOf(context).list(targetTenant(context, tenant_id, 'tenants:read'), page)
    return context.json(
      listObject(
        limits,
        (limit) => limit,
        ({ id }) => id,
      ),
    )
  },
}

export const createLimit: Route = {
  ...shared,
  method: 'POST',
  access: write,
  body: 'text',
  async handle(context) {
    const limit = await readJson(context, newLimitSchema)
    const tenantId = tenantOf(context, 'tenants:write')
    if (limit.dimension === 'key' && limit.subject !== EACH) await refuseUnknownKey(context, tenantId, limit.subject)
    return context.json(await tableOf(context).create(tenantId, limit), 201)
  },
}

export const retrieveLimit: Route = {
  ...one,
  method: 'GET',
  access: read,
  async handle(context) {
    return context.json(found(await tableOf(context).find(tenantOf(context, 'tenants:read'), idOf(context))))
  },
}

export const changeLimit: Route = {
  ...one,
  method: 'PATCH',
  access: write,
  body: 'text',
  async handle(context) {
    const change = await readJson(context, limitChangeSchema)
    return context.json(found(await tableOf(context).change(tenantOf(context, 'tenants:write'), idOf(context), change)))
  },
}

export const deleteLimit: Route = {
  ...one,
  method: 'DELETE',
  access: write,
  async handle(context) {
    const id = idOf(context)
    found((await tableOf(context).remove(tenantOf(context, 'tenants:write'), id)) || undefined)
    return context.json(deletedObject('limit', id))
  },
}

function tenantOf(context: AppContext, scope: Scope): string {
  return targetTenant(context, readQuery(context, tenantQuery).tenant_id, scope)
}

/** Users and end users may come from elsewhere, and models be named before they are there; keys are ours. */
async function refuseUnknownKey(context: AppContext, tenantId: string, keyId: string): Promise<void> {
  if (await context.get('ports').knownKeys.has(tenantId, keyId)) return
  throw new AppError('invalid_request', 'There is no such key, so nothing would count in this limit.', {
    param: 'subject',
  })
}

function tableOf(context: AppContext) {
  return context.get('ports').limitTable
}

function idOf(context: AppContext): string {
  return context.req.param('id') ?? ''
}

function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new AppError('resource_not_found', 'There is no such limit.')
  return value
}
