/** `Authorization: Bearer pg_...` to a principal, if the key may be used now, from here, on this route. Only the hash of the key is looked up, and nothing of the key is kept or logged. */
import type { MiddlewareHandler } from 'hono'
import type { Scope } from '../../contract/scopes.ts'
import { AppError } from '../../errors.ts'
import type { AppEnv } from '../route.ts'

/** No key of ours and no token is longer: more is not worth a hash. */
const TOKEN_CHARS_MAX = 4_096

/**
 * Policy when the keys' store fails: closed; its error becomes the answer.
 * The same message for a missing, malformed, unknown, expired and revoked key: which it is helps only who guesses.
 */
export function authenticate(scope: Scope): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    const token = bearerToken(context.req.header('authorization'))
    if (token === undefined) throw noValidKey()
    const { keys, sha256Hex } = context.get('ports')
    const found = keys.find(sha256Hex(token), {
      origin: context.req.header('origin'),
      address: context.req.header('cf-connecting-ip'),
    })
    // Without an await on the usual request: what the isolate knows of the key it says at once.
    const principal = found instanceof Promise ? await found : found
    if (!principal) throw noValidKey()
    context.set('principal', principal)
    if (!principal.scopes.includes(scope)) throw new AppError('permission_denied', `This key lacks the scope ${scope}.`)
    await next()
  }
}

function bearerToken(header: string | undefined): string | undefined {
  // RFC 6750 2.1; the scheme is case-insensitive by RFC 9110 11.1.
  const token = header === undefined ? undefined : /^bearer +([\x21-\x7e]+)$/i.exec(header)?.[1]
  return token !== undefined && token.length <= TOKEN_CHARS_MAX ? token : undefined
}

function noValidKey(): AppError {
  return new AppError('invalid_api_key', 'No valid API key was given. Send it as "Authorization: Bearer <key>".')
}
