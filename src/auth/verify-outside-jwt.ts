/**
 * The signature and the claims of an outside provider's token, by jose: key selection, curves, encodings and time are easy to get
 * almost right. Loaded where the first such token comes, for most installations never see one.
 */
import { createLocalJWKSet, errors, type JWK, type JWTPayload, jwtVerify } from 'jose'
import type { KeySet } from './key-sets.ts'

/** Signatures with a public key only. A key of the set can never be taken for a secret: no HS256 here. */
export const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const

/** Between two clocks that are kept. */
const TOLERANCE_SECONDS = 30

export type OutsideVerdict =
  | { kind: 'valid'; claims: JWTPayload }
  /** It names a key that the set does not have. */
  | { kind: 'unknown_key' }
  | { kind: 'invalid' }

/** jose's, which remembers imported keys. */
const selectors = new WeakMap<KeySet, ReturnType<typeof createLocalJWKSet>>()

export async function verifyOutsideJwt(
  token: string,
  options: { keySet: KeySet; issuer: string; audience: string; nowMs: number },
): Promise<OutsideVerdict> {
  const { keySet, issuer, audience, nowMs } = options
  let select = selectors.get(keySet)
  if (!select) {
    // Sound: a field that the schema did not find is not there, rather than there and undefined.
    select = createLocalJWKSet({ keys: keySet.keys as JWK[] })
    selectors.set(keySet, select)
  }
  try {
    const { payload } = await jwtVerify(token, select, {
      algorithms: [...ALGORITHMS],
      issuer,
      audience,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: TOLERANCE_SECONDS,
      currentDate: new Date(nowMs),
    })
    return { kind: 'valid', claims: payload }
  } catch (thrown) {
    return { kind: thrown instanceof errors.JWKSNoMatchingKey ? 'unknown_key' : 'invalid' }
  }
}
