/** `POST /auth/password`: a new password for whoever is signed in, who says the present one. Other sessions end. */
import { passwordChangeSchema } from '../../contract/users.ts'
import { bearerToken } from '../bearer-token.ts'
import { readJson } from '../read-json.ts'
import { principalOf, type Route } from '../route.ts'

export const authPassword: Route = {
  method: 'POST',
  path: '/auth/password',
  errors: 'problem',
  access: 'authenticated',
  body: 'small',
  async handle(context) {
    const { current, new: next } = await readJson(context, passwordChangeSchema)
    const accessToken = bearerToken(context.req.header('authorization')) ?? ''
    const { tenantId } = principalOf(context)
    const user = await context.get('ports').signIn.changePassword({ accessToken, tenantId, current, next })
    return context.json(user, 200, { 'cache-control': 'no-store' })
  },
}
