/** `/admin/limits`: the limits that a tenant sets for itself. Another tenant's are the same 404 as missing ones. */
import * as z from 'zod/mini'
import { limitChangeSchema, limitIdSchema, newLimitSchema } from '../../contract/limits.ts'
import { AppError } from '../../errors.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import { type AppContext, principalOf, type Route } from '../route.ts'

const shared = { path: '/admin/limits', errors: 'problem' } as const
const one = { path: '/admin/limits/:id', errors: 'problem' } as const
const read = { scope: 'limits:read' } as const
const write = { scope: 'limits:write' } as const
const LIST = z.strictObject(pageFields(limitIdSchema))

export const listLimits: Route = {
  ...shared,
  method: 'GET',
  access: read,
  async handle(context) {
    const page = readQuery(context, LIST)
    const limits = await tableOf(context).list(principalOf(context).tenantId, page)
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
    return context.json(await tableOf(context).create(principalOf(context).tenantId, limit), 201)
  },
}

export const retrieveLimit: Route = {
  ...one,
  method: 'GET',
  access: read,
  async handle(context) {
    return context.json(found(await tableOf(context).find(principalOf(context).tenantId, idOf(context))))
  },
}

export const changeLimit: Route = {
  ...one,
  method: 'PATCH',
  access: write,
  body: 'text',
  async handle(context) {
    const change = await readJson(context, limitChangeSchema)
    return context.json(found(await tableOf(context).change(principalOf(context).tenantId, idOf(context), change)))
  },
}

export const deleteLimit: Route = {
  ...one,
  method: 'DELETE',
  access: write,
  async handle(context) {
    const id = idOf(context)
    found((await tableOf(context).remove(principalOf(context).tenantId, id)) || undefined)
    return context.json({ id, object: 'limit', deleted: true })
  },
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
