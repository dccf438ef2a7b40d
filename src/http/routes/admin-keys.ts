/** `/admin/keys`: a tenant's API keys. Who may give what to whom is decided behind the port KeyAdmin. */
import * as z from 'zod/mini'
import { createKeySchema, keyIdSchema, patchKeySchema, rotateKeySchema } from '../../contract/keys.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery } from '../read-query.ts'
import { type AppContext, principalOf, type Route } from '../route.ts'
import { targetTenant, tenantField, tenantQuery } from '../target-tenant.ts'

const READ = { errors: 'problem', access: { scope: 'keys:read' } } as const
const WRITE = { errors: 'problem', access: { scope: 'keys:write' } } as const
const LIST = z.strictObject({ ...pageFields(keyIdSchema), ...tenantField })

/** Everything here may hold a secret or is about one. */
function answer(context: AppContext, body: object, status: 200 | 201 = 200): Response {
  return context.json(body, status, { 'cache-control': 'no-store' })
}

/** Who changes something, and whose key. */
function callOf(context: AppContext) {
  const { tenant_id } = readQuery(context, tenantQuery)
  return { actor: principalOf(context), tenantId: targetTenant(context, tenant_id, 'tenants:write') }
}

function idOf(context: AppContext): string {
  return context.req.param('key_id') ?? ''
}

export const createKey: Route = {
  ...WRITE,
  method: 'POST',
  path: '/admin/keys',
  body: 'text',
  async handle(context) {
    const call = callOf(context)
    const input = await readJson(context, createKeySchema)
    return answer(context, await context.get('ports').keyAdmin.create({ ...call, input }), 201)
  },
}

export const listKeys: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/keys',
  async handle(context) {
    const { tenant_id, ...page } = readQuery(context, LIST)
    const keys = await context.get('ports').keyAdmin.list(targetTenant(context, tenant_id, 'tenants:read'), page)
    return answer(
      context,
      listObject(
        keys,
        (key) => key,
        ({ id }) => id,
      ),
    )
  },
}

export const getKey: Route = {
  ...READ,
  method: 'GET',
  path: '/admin/keys/:key_id',
  async handle(context) {
    const tenantId = targetTenant(context, readQuery(context, tenantQuery).tenant_id, 'tenants:read')
    return answer(context, await context.get('ports').keyAdmin.get(tenantId, idOf(context)))
  },
}

export const patchKey: Route = {
  ...WRITE,
  method: 'PATCH',
  path: '/admin/keys/:key_id',
  body: 'text',
  async handle(context) {
    const call = { ...callOf(context), id: idOf(context) }
    const input = await readJson(context, patchKeySchema)
    return answer(context, await context.get('ports').keyAdmin.patch({ ...call, input }))
  },
}

export const rotateKey: Route = {
  ...WRITE,
  method: 'POST',
  path: '/admin/keys/:key_id/rotate',
  body: 'text',
  async handle(context) {
    const call = { ...callOf(context), id: idOf(context) }
    const { overlap_seconds: overlapSeconds } = await readJson(context, rotateKeySchema, {})
    return answer(context, await context.get('ports').keyAdmin.rotate({ ...call, overlapSeconds }))
  },
}

export const revokeKey: Route = {
  ...WRITE,
  method: 'DELETE',
  path: '/admin/keys/:key_id',
  async handle(context) {
    return answer(context, await context.get('ports').keyAdmin.revoke({ ...callOf(context), id: idOf(context) }))
  },
}
