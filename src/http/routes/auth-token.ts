/** `POST /auth/token`: the password and the refresh grant of OAuth 2 (RFC 6749 4.3, 6), for clients of this installation's own. */
import { type TokenResponse, tokenRequestSchema } from '../../contract/users.ts'
import { AppError } from '../../errors.ts'
import { callerAddress } from '../caller-address.ts'
import type { Grant } from '../ports.ts'
import { readForm } from '../read-form.ts'
import type { AppContext, Route } from '../route.ts'

export const authToken: Route = {
  method: 'POST',
  path: '/auth/token',
  errors: 'oauth',
  access: 'open',
  body: 'small',
  async handle(context) {
    const grant = await granted(context)
    const body: TokenResponse = {
      access_token: grant.accessToken,
      token_type: 'Bearer',
      expires_in: grant.expiresInSeconds,
      refresh_token: grant.refreshToken,
      scope: grant.scopes.join(' '),
    }
    // RFC 6749 5.1.
    return context.json(body, 200, { 'cache-control': 'no-store', pragma: 'no-cache' })
  },
}

async function granted(context: AppContext): Promise<Grant> {
  const { grant_type, username, password, refresh_token } = await readForm(context, tokenRequestSchema)
  const { signIn } = context.get('ports')
  switch (grant_type) {
    case 'password':
      return signIn.withPassword({
        email: needed(username, 'username'),
        password: needed(password, 'password'),
        address: callerAddress(context),
      })
    case 'refresh_token':
      return signIn.withRefreshToken(needed(refresh_token, 'refresh_token'))
    default:
      throw new AppError('unsupported_grant_type', 'grant_type must be password or refresh_token.')
  }
}

function needed(value: string | undefined, name: string): string {
  if (value !== undefined) return value
  throw new AppError('invalid_request', `${name} is missing.`, { param: name })
}
