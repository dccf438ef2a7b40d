/**
 * `Authorization: Bearer ...`, or `x-api-key: ...`, to a principal: an API key (only its hash is looked up), or an access token. Neither is
 * stored or logged; a key stays in memory for a minute (src/auth/remembering-hash.ts).
 */
import type { MiddlewareHandler } from 'hono'
import type { Scope } from '../../contract/scopes.ts'
import { AppError } from '../../errors.ts'
import { bearerToken, isCompactJws } from '../bearer-token.ts'
import type { UsedFrom } from '../ports.ts'
import type { AppContext, AppEnv } from '../route.ts'

/**
 * Policy when a store fails: closed; its error becomes the answer.
 * The same message for a missing, malformed, unknown, expired and revoked key: which it is helps only who guesses. So for a token that is wrong in any way.
 */
export function authenticate(access: 'authenticated' | { scope: Scope }): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    const header = context.req.header('authorization')
    // Anthropic's clients name it so. Where both are given the standard one counts.
    const token = bearerToken(header ?? bearerOf(context.req.header('x-api-key')))
    if (token === undefined) throw noValidKey(header !== undefined || context.req.header('x-api-key') !== undefined)
    const { keys, accessTokens, sha256Hex } = context.get('ports')
    const isToken = isCompactJws(token)
    const found = isToken ? accessTokens.verify(token) : keys.find(sha256Hex(token), usedFrom(context))
    const principal = found instanceof Promise ? await found : found
    if (!principal) throw isToken ? noValidToken() : noValidKey(true)
    context.set('principal', principal)
    if (access !== 'authenticated' && !principal.scopes.includes(access.scope)) {
      throw new AppError('permission_denied', `This key lacks the scope ${access.scope}.`)
    }
    await next()
  }
}

function bearerOf(key: string | undefined): string | undefined {
  return key === undefined ? undefined : `Bearer ${key}`
}

/** Looked up when somebody asks: few keys are bound to a place. */
function usedFrom(context: AppContext): UsedFrom {
  return {
    get origin() {
      return context.req.header('origin')
    },
    get address() {
      return context.req.header('cf-connecting-ip')
    },
  }
}

/** RFC 6750 3.1: no error is named to who gave nothing. */
function noValidKey(isGiven: boolean): AppError {
  return new AppError(
    'invalid_api_key',
    'No valid API key was given. Send it as "Authorization: Bearer <key>" or as "x-api-key: <key>".',
    isGiven ? { challenge: 'invalid_token' } : {},
  )
}

function noValidToken(): AppError {
  return new AppError('invalid_token', 'The access token is not valid, has expired or was revoked. Get a new one.', {
    challenge: 'invalid_token',
  })
}
