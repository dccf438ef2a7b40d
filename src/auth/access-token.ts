/**
 * Access tokens that this installation signs: JWTs (RFC 7519) with HS256. There is one header, compared as text, so that no token can
 * choose how it is checked. Pure: the clock is passed in. Synchronous: a check is one HMAC, which costs what hashing the token for a
 * look-up in a memory of checked ones would.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export type AccessClaims = {
  /** `usr_...` */
  sub: string
  /** The session: with it the token is revoked. Role and tenant are looked up there, so that a change reaches tokens that are out. */
  sid: string
  /** Unix seconds. */
  iat: number
  exp: number
}

export type TokenSecrets = {
  /** Signs and verifies. */
  current: string
  /** Verifies only: what was signed before the secret was changed. */
  previous?: string | undefined
}

const ISSUER = 'perigee'
const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')

/** Whether it claims to be one of ours; the signature tells whether it is. */
export function isOurToken(token: string): boolean {
  return token.startsWith(`${HEADER}.`)
}

export function signAccessToken(claims: AccessClaims, secrets: TokenSecrets): string {
  const { sub, sid, iat, exp } = claims
  const payload = Buffer.from(JSON.stringify({ iss: ISSUER, sub, sid, iat, exp })).toString('base64url')
  const signed = `${HEADER}.${payload}`
  return `${signed}.${signature(signed, secrets.current)}`
}

/** The claims of a token that is ours and in time, else undefined. */
export function readAccessToken(token: string, secrets: TokenSecrets, nowMs: number): AccessClaims | undefined {
  if (!isOurToken(token)) return undefined
  const end = token.lastIndexOf('.')
  const signed = token.slice(0, end)
  const given = token.slice(end + 1)
  const isSigned =
    isEqual(given, signature(signed, secrets.current)) ||
    (secrets.previous !== undefined && isEqual(given, signature(signed, secrets.previous)))
  if (!isSigned) return undefined
  const claims = readClaims(signed.slice(HEADER.length + 1))
  return claims && nowMs < claims.exp * 1_000 ? claims : undefined
}

function signature(signed: string, secret: string): string {
  return createHmac('sha256', secret).update(signed).digest('base64url')
}

/** As text: base64url has several texts for the same bytes, and only the one that we wrote is ours. */
function isEqual(given: string, expected: string): boolean {
  const bytes = Buffer.from(given)
  const expectedBytes = Buffer.from(expected)
  return bytes.length === expectedBytes.length && timingSafeEqual(bytes, expectedBytes)
}

/** What we signed we wrote; this guards against a secret that something else signs with, too. */
function readClaims(payload: string): AccessClaims | undefined {
  let value: Partial<Record<string, unknown>>
  try {
    value = JSON.parse(Buffer.from(payload, 'base64url').toString())
  } catch {
    return undefined
  }
  const { iss, sub, sid, iat, exp } = value ?? {}
  if (iss !== ISSUER || typeof sub !== 'string' || typeof sid !== 'string') return undefined
  if (!Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return undefined
  // Sound: checked above.
  return { sub, sid, iat: iat as number, exp: exp as number }
}
