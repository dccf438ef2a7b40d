/** `/admin/users`: the users of a tenant. */
import * as z from 'zod/mini'
import { newUserSchema, userChangeSchema, userIdSchema } from '../../contract/users.ts'
import { deletedObject } from '../deleted-object.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import { type AppContext, principalOf, type Route } from '../route.ts'
import { targetTenant, tenantField, tenantQuery } from '../target-tenant.ts'

const USERS = { path: '/admin/users', errors: 'problem' } as const
const USER = { path: '/admin/users/:id', errors: 'problem' } as const
const LIST = z.strictObject({ ...pageFields(userIdSchema), ...tenantField })

export const createUser: Route = {
  ...USERS,
  method: 'POST',
  access: { scope: 'users:write' },
  body: 'small',
  async handle(context) {
    const tenantId = tenantOf(context, 'tenants:write')
    const user = await readJson(context, newUserSchema)
    return context.json(await context.get('ports').users.create({ by: principalOf(context), tenantId, user }), 201)
  },
}

export const listUsers: Route = {
  ...USERS,
  method: 'GET',
  access: { scope: 'users:read' },
  async handle(context) {
    const { tenant_id, ...page } = readQuery(context, LIST)
    const users = await context.get('ports').users.list(targetTenant(context, tenant_id, 'tenants:read'), page)
    return context.json(
      listObject(
        users,
        (user) => user,
        ({ id }) => id,
      ),
    )
  },
}

export const retrieveUser: Route = {
  ...USER,
  method: 'GET',
  access: { scope: 'users:read' },
  async handle(context) {
    const tenantId = tenantOf(context, 'tenants:read')
    return context.json(await context.get('ports').users.get({ tenantId, userId: idOf(context) }))
  },
}

export const changeUser: Route = {
  ...USER,
  method: 'PATCH',
  access: { scope: 'users:write' },
  body: 'small',
  async handle(context) {
    const tenantId = tenantOf(context, 'tenants:write')
    const change = await readJson(context, userChangeSchema)
    const call = { by: principalOf(context), tenantId, userId: idOf(context), change }
    return context.json(await context.get('ports').users.change(call))
  },
}

export const deleteUser: Route = {
  ...USER,
  method: 'DELETE',
  access: { scope: 'users:write' },
  async handle(context) {
    const tenantId = tenantOf(context, 'tenants:write')
    const userId = idOf(context)
    await context.get('ports').users.remove({ by: principalOf(context), tenantId, userId })
    return context.json(deletedObject('user', userId))
  },
}

function tenantOf(context: AppContext, scope: 'tenants:read' | 'tenants:write'): string {
  return targetTenant(context, readQuery(context, tenantQuery).tenant_id, scope)
}

function idOf(context: AppContext): string {
  return context.req.param('id') ?? ''
}
