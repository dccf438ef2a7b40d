/** The one key of the settings, known by its hash: whoever runs the installation begins with it. All others are of stored-keys.ts. */
import { timingSafeEqual } from 'node:crypto'
import type { Principal } from '../chat/ports.ts'
import { SCOPES } from '../contract/scopes.ts'
import type { Keys } from '../http/ports.ts'
import { INSTALLATION_TENANT } from './roles.ts'

/** Whoever has the key of the settings. */
export const DEVELOPMENT: Principal = {
  tenantId: INSTALLATION_TENANT,
  keyId: 'key_default',
  scopes: SCOPES,
}

/** The key of `sha256Hex` is tried before `others`, and asks no store. Without it `others` alone decide. */
export function configuredKeys(sha256Hex: string | undefined, others: Keys): Keys {
  if (sha256Hex === undefined) return others
  const encoder = new TextEncoder()
  const known = encoder.encode(sha256Hex)
  return {
    find(candidateHex, from) {
      const candidate = encoder.encode(candidateHex)
      // timingSafeEqual throws on unequal lengths; the length of a SHA-256 is no secret.
      const same = candidate.byteLength === known.byteLength && timingSafeEqual(candidate, known)
      return same ? DEVELOPMENT : others.find(candidateHex, from)
    },
  }
}
