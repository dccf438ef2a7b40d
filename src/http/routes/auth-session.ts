/** Who a key or a token stands for, and the end of a session. */

import { logoutSchema } from '../../contract/users.ts'
import { bearerToken } from '../bearer-token.ts'
import { deletedObject } from '../deleted-object.ts'
import { readJson } from '../read-json.ts'
import { principalOf, type Route } from '../route.ts'

export const authMe: Route = {
  method: 'GET',
  path: '/auth/me',
  errors: 'problem',
  access: 'authenticated',
  async handle(context) {
    const { tenantId, keyId, userId, scopes } = principalOf(context)
    const isOwnUser = userId !== undefined && userId === keyId
    const user = isOwnUser ? await context.get('ports').users.get({ tenantId, userId }) : null
    return context.json(
      { object: 'principal', tenant_id: tenantId, key_id: keyId, user_id: userId ?? null, scopes, user },
      200,
      { 'cache-control': 'no-store' },
    )
  },
}

export const authLogout: Route = {
  method: 'POST',
  path: '/auth/logout',
  errors: 'problem',
  access: 'authenticated',
  body: 'small',
  async handle(context) {
    const { everywhere } = await readJson(context, logoutSchema, {})
    const token = bearerToken(context.req.header('authorization')) ?? ''
    await context.get('ports').signIn.end(token, everywhere)
    return context.json(deletedObject('session'))
  },
}
