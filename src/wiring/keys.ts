/** API keys and tenants. */
import { configuredKeys } from '../auth/configured-keys.ts'
import { keyAdmin } from '../auth/key-admin.ts'
import { keyStore, type UsableKey } from '../auth/key-store.ts'
import { knownKeys } from '../auth/known-keys.ts'
import { type ReadyKey, readyKey, storedKeys } from '../auth/stored-keys.ts'
import { tenantAdmin } from '../auth/tenant-admin.ts'
import { tenantStore } from '../auth/tenant-store.ts'
import type { HttpPorts } from '../http/ports.ts'
import type { Isolate } from './isolate.ts'

/** Some 5 MB of an isolate's 128. */
const KEYS_REMEMBERED_MAX = 10_000

export function wireKeys(isolate: Isolate): Pick<HttpPorts, 'keys' | 'keyAdmin' | 'knownKeys' | 'tenantAdmin'> {
  const { env, config, directory, nowMs } = isolate
  const { changed } = directory
  const keys = keyStore(env.DB)
  const recall = directory.remember<UsableKey, ReadyKey | undefined>({
    kind: 'key',
    load: keys.findByHash,
    prepare: readyKey,
    key: ({ subject }) => subject,
    keysMax: KEYS_REMEMBERED_MAX,
    keysFromCallers: true,
  })
  return {
    keys: configuredKeys(config.PERIGEE_KEY_SHA256, storedKeys({ recall, nowMs })),
    keyAdmin: keyAdmin({ store: keys, changed, nowMs }),
    knownKeys: knownKeys(env.DB),
    tenantAdmin: tenantAdmin({ store: tenantStore(env.DB), changed, nowMs }),
  }
}
