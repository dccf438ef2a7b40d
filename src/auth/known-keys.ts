/** Whether somebody of a tenant calls under such an id: what is set for one who never comes is a slip of the pen. */
import type { KnownKeys } from '../http/ports.ts'
import { whileStoreAnswers } from '../while-store-answers.ts'
import { DEVELOPMENT } from './configured-keys.ts'

/** A principal's `keyId` is a key's, a user's (own-tokens.ts) or a provider's (outside-claims.ts). One that was revoked was there. */
export function knownKeys(db: D1Database): KnownKeys {
  return {
    async has(tenantId, keyId) {
      if (tenantId === DEVELOPMENT.tenantId && keyId === DEVELOPMENT.keyId) return true
      const found = await whileStoreAnswers(
        db
          .prepare(
            `SELECT id FROM api_key WHERE tenant_id = ?1 AND id = ?2
             UNION ALL SELECT user_id FROM user WHERE tenant_id = ?1 AND user_id = ?2
             UNION ALL SELECT provider_id FROM identity_provider WHERE provider_id = ?2`,
          )
          .bind(tenantId, keyId)
          .first(),
      )
      return found !== null
    },
  }
}
