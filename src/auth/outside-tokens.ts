/**
 * Bearer tokens of outside identity providers to principals. What is refused before anything is fetched stands first. A token that was
 * verified is remembered by its hash until it expires, for as long as its provider's row and keys are what they were then and its tenant is
 * active: so the usual request checks no signature, and what is revoked is revoked.
 */
import type { Principal } from '../chat/ports.ts'
import { sha256Hex } from './api-key.ts'
import type { KeySet, KeySets } from './key-sets.ts'
import { principalOfClaims } from './outside-claims.ts'
import type { TrustedProvider } from './provider-store.ts'
import type { OutsideVerdict } from './verify-outside-jwt.ts'

/** An isolate's memory for verified tokens: some 300 bytes each. */
const REMEMBERED_MAX = 2_000
/** No token is remembered for longer, whatever it says. */
const REMEMBERED_MS_MAX = 3_600_000

const ALGORITHM = /^(RS256|ES256|EdDSA)$/
/** An ID token or an access token. What else is signed by the same keys (logout tokens, DPoP proofs) is no proof of who calls. */
const TYPE = /^(application\/)?(at\+)?jwt$/i
/** Headers that bring a key along or ask for an extension (RFC 7515 4.1): a token does not choose what it is checked with. */
const REFUSED_HEADERS = ['crit', 'jwk', 'jku', 'x5u', 'x5c', 'b64', 'zip']

type Remembered = { principal: Principal; provider: TrustedProvider; keySet: KeySet; untilMs: number }

export type OutsideTokens = { verify(token: string): Promise<Principal | undefined> }

export function outsideTokens(options: {
  providers: () => readonly TrustedProvider[] | Promise<readonly TrustedProvider[]>
  keySets: KeySets
  nowMs: () => number
}): OutsideTokens {
  const { providers, keySets, nowMs } = options
  const remembered = new Map<string, Remembered>()

  function recalled(hash: string, now: number, trusted: readonly TrustedProvider[]): Remembered | undefined {
    const entry = remembered.get(hash)
    if (!entry) return undefined
    const provider = trusted.find(({ id }) => id === entry.provider.id)
    const isSame = provider?.updatedAtMs === entry.provider.updatedAtMs && provider.status === 'active'
    const mayComeIn = isSame && provider.activeTenantIds.includes(entry.principal.tenantId)
    if (mayComeIn && now < entry.untilMs) return entry
    remembered.delete(hash)
    return undefined
  }

  function remember(hash: string, entry: Remembered): void {
    const oldest = remembered.size >= REMEMBERED_MAX ? remembered.keys().next().value : undefined
    if (oldest !== undefined) remembered.delete(oldest)
    remembered.set(hash, entry)
  }

  return {
    async verify(token) {
      const now = nowMs()
      const trusted = await providers()
      if (trusted.length === 0) return undefined
      const hash = sha256Hex(token)
      const known = recalled(hash, now, trusted)
      if (known && (await keySets.current(known.provider.jwksUri)) === known.keySet) return known.principal

      const parts = isAcceptable(token)
      const provider = parts && providerOf(trusted, parts)
      if (!provider) return undefined
      const checked = await verified(token, provider, now, keySets)
      if (checked.verdict.kind !== 'valid') return undefined
      const { claims } = checked.verdict
      const principal = principalOfClaims(provider, claims)
      if (principal) {
        const untilMs = Math.min((claims.exp ?? 0) * 1_000, now + REMEMBERED_MS_MAX)
        remember(hash, { principal, provider, keySet: checked.keySet, untilMs })
      }
      return principal
    },
  }
}

type Parts = { issuer: string; audiences: readonly unknown[] }

/** What an unverified token says, when it is of a kind that may be verified at all. */
function isAcceptable(token: string): Parts | undefined {
  const [headerText = '', payloadText = ''] = token.split('.', 2)
  const header = decoded(headerText)
  const payload = decoded(payloadText)
  if (!header || !payload) return undefined
  const { alg, typ } = header
  if (typeof alg !== 'string' || !ALGORITHM.test(alg)) return undefined
  if (typ !== undefined && (typeof typ !== 'string' || !TYPE.test(typ))) return undefined
  if (REFUSED_HEADERS.some((name) => Object.hasOwn(header, name))) return undefined
  const { iss, aud } = payload
  return typeof iss === 'string' ? { issuer: iss, audiences: Array.isArray(aud) ? aud : [aud] } : undefined
}

function decoded(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    // Sound: an object of JSON.
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function providerOf(trusted: readonly TrustedProvider[], parts: Parts): TrustedProvider | undefined {
  return trusted.find(
    ({ issuer, audience, status }) =>
      status === 'active' && issuer === parts.issuer && parts.audiences.includes(audience),
  )
}

/** A key that is not known may be a new one: once more, where the provider may be asked. */
async function verified(
  token: string,
  { issuer, audience, jwksUri }: TrustedProvider,
  nowMs: number,
  keySets: KeySets,
): Promise<{ verdict: OutsideVerdict; keySet: KeySet }> {
  const { verifyOutsideJwt } = await import('./verify-outside-jwt.ts')
  const keySet = await keySets.current(jwksUri)
  const verdict = await verifyOutsideJwt(token, { keySet, issuer, audience, nowMs })
  if (verdict.kind !== 'unknown_key') return { verdict, keySet }
  const renewed = await keySets.renewed(jwksUri)
  if (!renewed || renewed === keySet) return { verdict, keySet }
  return { verdict: await verifyOutsideJwt(token, { keySet: renewed, issuer, audience, nowMs }), keySet: renewed }
}
