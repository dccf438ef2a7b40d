/** `/admin/identity-providers`: whose tokens are taken beside our own. Each decides over tenants, so only who runs the installation may. */
import * as z from 'zod/mini'
import {
  identityProviderChangeSchema,
  newIdentityProviderSchema,
  providerIdSchema,
} from '../../contract/identity-providers.ts'
import { deletedObject } from '../deleted-object.ts'
import { listObject, pageFields } from '../page-query.ts'
import { readJson } from '../read-json.ts'
import { readQuery, refuseQuery } from '../read-query.ts'
import { type AppContext, principalOf, type Route } from '../route.ts'

const PROVIDERS = { path: '/admin/identity-providers', errors: 'problem' } as const
const LIST = z.strictObject(pageFields(providerIdSchema))
const PROVIDER = { path: '/admin/identity-providers/:id', errors: 'problem' } as const

export const createIdentityProvider: Route = {
  ...PROVIDERS,
  method: 'POST',
  access: { scope: 'tenants:write' },
  body: 'small',
  async handle(context) {
    refuseQuery(context)
    const given = await readJson(context, newIdentityProviderSchema)
    const tenantId = given.tenant_id ?? principalOf(context).tenantId
    return context.json(await context.get('ports').identityProviders.create(tenantId, given), 201)
  },
}

export const listIdentityProviders: Route = {
  ...PROVIDERS,
  method: 'GET',
  access: { scope: 'tenants:read' },
  async handle(context) {
    const providers = await context.get('ports').identityProviders.list(readQuery(context, LIST))
    return context.json(
      listObject(
        providers,
        (provider) => provider,
        ({ id }) => id,
      ),
    )
  },
}

export const retrieveIdentityProvider: Route = {
  ...PROVIDER,
  method: 'GET',
  access: { scope: 'tenants:read' },
  async handle(context) {
    refuseQuery(context)
    return context.json(await context.get('ports').identityProviders.get(idOf(context)))
  },
}

export const changeIdentityProvider: Route = {
  ...PROVIDER,
  method: 'PATCH',
  access: { scope: 'tenants:write' },
  body: 'small',
  async handle(context) {
    refuseQuery(context)
    const change = await readJson(context, identityProviderChangeSchema)
    return context.json(await context.get('ports').identityProviders.change(idOf(context), change))
  },
}

export const deleteIdentityProvider: Route = {
  ...PROVIDER,
  method: 'DELETE',
  access: { scope: 'tenants:write' },
  async handle(context) {
    refuseQuery(context)
    const id = idOf(context)
    await context.get('ports').identityProviders.remove(id)
    return context.json(deletedObject('identity_provider', id))
  },
}

function idOf(context: AppContext): string {
  return context.req.param('id') ?? ''
}
