/** API keys, as requests bring them. */
import { configuredKeys } from '../auth/configured-keys.ts'
import { keyStore, type UsableKey } from '../auth/key-store.ts'
import { type ReadyKey, readyKey, storedKeys } from '../auth/stored-keys.ts'
import type { Keys } from '../http/ports.ts'
import type { Isolate } from './isolate.ts'

/** Some 5 MB of an isolate's 128. */
const KEYS_REMEMBERED_MAX = 10_000

export function wireKeys({ env, config, directory, nowMs }: Isolate): Keys {
  const keys = keyStore(env.DB)
  const recall = directory.remember<UsableKey, ReadyKey | undefined>({
    kind: 'key',
    load: keys.findByHash,
    prepare: readyKey,
    key: ({ subject }) => subject,
    keysMax: KEYS_REMEMBERED_MAX,
    keysFromCallers: true,
  })
  return configuredKeys(config.PERIGEE_KEY_SHA256, storedKeys({ recall, nowMs }))
}
