/** Refresh tokens: `pgr_`, the session's id, a dot, 43 random base62 digits. Only the hash is stored; each is used once. */
import { sha256Hex } from './api-key.ts'
import { randomDigits } from './make-id.ts'

const FORMAT = /^pgr_(ses_[0-9A-Za-z]{30})\.[0-9A-Za-z]{43}$/
/** 62^43 > 2^256. */
const RANDOM_DIGITS = 43

export function makeRefreshToken(sessionId: string): { token: string; sha256: string } {
  const token = `pgr_${sessionId}.${randomDigits(RANDOM_DIGITS)}`
  return { token, sha256: sha256Hex(token) }
}

/** Undefined when the text has not the form of one. */
export function parseRefreshToken(token: string): { sessionId: string; sha256: string } | undefined {
  const sessionId = FORMAT.exec(token)?.[1]
  return sessionId === undefined ? undefined : { sessionId, sha256: sha256Hex(token) }
}
