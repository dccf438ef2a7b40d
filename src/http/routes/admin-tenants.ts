/** `/admin/tenants`: for who runs the installation. No other tenant's key can have these scopes (src/auth/roles.ts). */
import * as z from 'zod/mini'
import { createTenantSchema, patchTenantSchema, tenantIdSchema } from '../../contract/tenants.ts'
import { deletedObject } from '../deleted-object.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery, refuseQuery } from '../read-query.ts'
import type { AppContext, Route } from '../route.ts'

const READ = { errors: 'problem', access: { scope: 'tenants:read' } } as const
const WRITE = { errors: 'problem', access: { scope: 'tenants:write' } } as const
const LIST = z.strictObject(pageFields(tenantIdSchema))

function answer(context: AppContext, body: object, status: 200 | 201 = 200): Response {
  return context.json(body, status, { 'cache-control': 'no-store' })
}

function idOf(context: AppContext): string {
  return context.req.param('tenant_id') ?? ''
}

export const createTenant: Route = {
  ...WRITE,
  method: 'POST',
  path: '/admin/tenants',
  body: 'text',
  async handle(context) {
    refuseQuery(context)
    const input = await readJson(context, createTenantSchema)
    return answer(context, await context.get('ports').tenantAdmin.create(input), 201)
  },
}

export const listTenants: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/tenants',
  async handle(context) {
    const tenants = await context.get('ports').tenantAdmin.list(readQuery(context, LIST))
    return answer(
      context,
      listObject(
        tenants,
        (tenant) => tenant,
        ({ id }) => id,
      ),
    )
  },
}

export const getTenant: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/tenants/:tenant_id',
  async handle(context) {
    refuseQuery(context)
    return answer(context, await context.get('ports').tenantAdmin.get(idOf(context)))
  },
}

export const patchTenant: Route = {
  ...WRITE,
  method: 'PATCH',
  path: '/admin/tenants/:tenant_id',
  body: 'text',
  async handle(context) {
    refuseQuery(context)
    const input = await readJson(context, patchTenantSchema)
    return answer(context, await context.get('ports').tenantAdmin.patch(idOf(context), input))
  },
}

export const deleteTenant: Route = {
  ...WRITE,
  method: 'DELETE',
  path: '/admin/tenants/:tenant_id',
  async handle(context) {
    refuseQuery(context)
    const id = idOf(context)
    await context.get('ports').tenantAdmin.remove(id)
    return answer(context, deletedObject('tenant', id))
  },
}
