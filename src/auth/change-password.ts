/** Somebody changes his own password: who holds the session's token must know the present one, and may not guess it faster than at the door. */
import type { UserObject } from '../contract/users.ts'
import { AppError } from '../errors.ts'
import type { SignIn } from '../http/ports.ts'
import { answeringStore } from '../while-store-answers.ts'
import { readAccessToken } from './access-token.ts'
import { hashPassword, matchesPassword } from './password-hash.ts'
import type { SignInOptions } from './sign-in.ts'
import { ACCOUNT_POLICY } from './sign-in-backoff.ts'
import { userObject } from './user-object.ts'

export function changePassword(options: SignInOptions): SignIn['changePassword'] {
  const { guard, secrets, cost, nowMs, changed } = options
  const users = answeringStore(options.users)

  return async ({ accessToken, tenantId, current, next }): Promise<UserObject> => {
    const claims = secrets && readAccessToken(accessToken, secrets, nowMs())
    const user = claims && (await users.byId(tenantId, claims.sub))
    if (!user) {
      throw new AppError('invalid_request', 'Only who signed in by POST /auth/token with a password can change it.')
    }
    const atAccount = await guard.enter('account', user.email, ACCOUNT_POLICY)
    if (!atAccount.allowed) {
      throw new AppError('rate_limited', 'Too many tries with a wrong password.', {
        retryAfterSeconds: atAccount.retryAfterSeconds,
      })
    }
    if (!(await matchesPassword(current, user.password_hash, cost))) {
      throw new AppError('invalid_request', 'current is not the present password.', { param: 'current' })
    }
    await guard.forgive('account', user.email, 'all')
    const fields = { password_hash: await hashPassword(next, cost) }
    if (!(await users.update(user, fields, nowMs(), claims.sid))) {
      throw new AppError('stale_write', 'The user was changed by somebody else meanwhile. Try again.')
    }
    await changed()
    return userObject(user)
  }
}
