/** Keys from the settings: one key, known by its hash. A store of keys for many tenants is another adapter of the same port. */
import { timingSafeEqual } from 'node:crypto'
import type { Principal } from '../chat/ports.ts'
import { SCOPES } from '../contract/scopes.ts'
import type { Keys } from '../http/ports.ts'

/** Without a hash no key is valid: the Worker fails closed. */
export function configuredKeys(sha256Hex: string | undefined): Keys {
  if (sha256Hex === undefined) return { find: async () => undefined }
  const known = new TextEncoder().encode(sha256Hex)
  const encoder = new TextEncoder()
  const principal: Principal = {
    tenantId: 'tnt_default',
    keyId: 'key_default',
    scopes: SCOPES,
  }
  return {
    async find(candidateHex) {
      const candidate = encoder.encode(candidateHex)
      // timingSafeEqual throws on unequal lengths; the length of a SHA-256 is no secret.
      const same = candidate.byteLength === known.byteLength && timingSafeEqual(candidate, known)
      return same ? principal : undefined
    },
  }
}
