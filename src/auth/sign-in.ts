/**
 * Signing in, step by step, one below the other: may this address try, may this account be tried, is the password right, a session.
 * What went wrong is never told: a wrong name, a wrong password and a disabled account are the same answer after the same time.
 */
import { unixSeconds } from '../contract/unix-seconds.ts'
import { AppError } from '../errors.ts'
import type { Grant, SignIn } from '../http/ports.ts'
import { answeringStore } from '../while-store-answers.ts'
import { readAccessToken, signAccessToken, type TokenSecrets } from './access-token.ts'
import { changePassword } from './change-password.ts'
import type { Guard } from './guard-client.ts'
import { makeId } from './make-id.ts'
import { hashPassword, isWeak, matchesPassword, type PasswordCost } from './password-hash.ts'
import { makeRefreshToken, parseRefreshToken } from './refresh-token.ts'
import { scopesOfRole } from './roles.ts'
import type { SessionHolder, SessionStore } from './session-store.ts'
import { ACCOUNT_POLICY, ADDRESS_POLICY } from './sign-in-backoff.ts'
import type { UserStore } from './user-store.ts'

export type SignInOptions = {
  users: UserStore
  sessions: SessionStore
  guard: Guard
  /** Undefined: this installation signs nobody in. */
  secrets: TokenSecrets | undefined
  cost: PasswordCost
  accessSeconds: number
  sessionMs: number
  nowMs: () => number
  /** After a write with rows in `change`. */
  changed: () => Promise<void>
}

export function signIn(options: SignInOptions): SignIn {
  const { guard, cost, accessSeconds, sessionMs, nowMs, changed } = options
  const users = answeringStore(options.users)
  const sessions = answeringStore(options.sessions)

  function grant(secrets: TokenSecrets, who: SessionHolder, sessionId: string, refreshToken: string): Grant {
    const iat = unixSeconds(nowMs())
    return {
      accessToken: signAccessToken({ sub: who.user_id, sid: sessionId, iat, exp: iat + accessSeconds }, secrets),
      expiresInSeconds: accessSeconds,
      refreshToken,
      scopes: scopesOfRole(who.role, who.tenant_id),
    }
  }

  return {
    async withPassword({ email, password, address }) {
      const secrets = configured(options.secrets)
      const fromAddress = await guard.enter('address', address, ADDRESS_POLICY)
      if (!fromAddress.allowed) {
        throw new AppError('rate_limited', 'Too many tries to sign in from this address.', {
          retryAfterSeconds: fromAddress.retryAfterSeconds,
        })
      }
      const atAccount = await guard.enter('account', email, ACCOUNT_POLICY)
      if (!atAccount.allowed) throw wrongCredentials(atAccount.retryAfterSeconds)

      const user = (await users.byEmail(email)) ?? undefined
      const isRight = await matchesPassword(password, user?.password_hash, cost)
      if (!user || !isRight || user.status !== 'active') throw wrongCredentials()

      const stored = user.password_hash
      const newHash = isWeak(stored, cost) ? await hashPassword(password, cost) : stored
      const sessionId = makeId('ses', nowMs())
      const { token, sha256 } = makeRefreshToken(sessionId)
      const createdAtMs = nowMs()
      const session = {
        id: sessionId,
        userId: user.user_id,
        tokenSha256: sha256,
        createdAtMs,
        expiresAtMs: createdAtMs + sessionMs,
      }
      if (!(await sessions.begin(session, stored, newHash))) throw wrongCredentials()
      await Promise.all([guard.forgive('account', email, 'all'), guard.forgive('address', address, 'one')])
      return grant(secrets, user, sessionId, token)
    },

    /** RFC 9700 4.14: a refresh token that was used before is in two hands, so the whole session ends. */
    async withRefreshToken(text) {
      const secrets = configured(options.secrets)
      const token = parseRefreshToken(text)
      if (!token) throw wrongRefreshToken()
      const next = makeRefreshToken(token.sessionId)
      const holder = await sessions.rotate(token, next.sha256, nowMs())
      if (holder) return grant(secrets, holder, token.sessionId, next.token)
      await sessions.end(token.sessionId, nowMs())
      await changed()
      throw wrongRefreshToken()
    },

    async end(accessToken, everywhere) {
      const secrets = configured(options.secrets)
      const claims = readAccessToken(accessToken, secrets, nowMs())
      if (!claims) {
        throw new AppError('invalid_request', 'Only a session that was begun here by POST /auth/token can be ended.')
      }
      const ending = everywhere ? sessions.endAll(claims.sub, nowMs()) : sessions.end(claims.sid, nowMs())
      await ending
      await changed()
    },

    changePassword: changePassword(options),
  }
}

function configured(secrets: TokenSecrets | undefined): TokenSecrets {
  if (secrets) return secrets
  throw new AppError('not_configured', 'This installation signs nobody in: PERIGEE_TOKEN_SECRET is not set.')
}

function wrongCredentials(retryAfterSeconds?: number): AppError {
  return new AppError(
    'invalid_grant',
    'The name or the password is wrong, or the account is locked.',
    retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
  )
}

function wrongRefreshToken(): AppError {
  return new AppError('invalid_grant', 'The refresh token is not valid. Sign in again.')
}
