/** The keys of D1, as an isolate remembers them by their hash. Whether a key may be used now and from here is decided at each request. */
import type { Principal } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import type { Keys, UsedFrom } from '../http/ports.ts'
import type { UsableKey } from './key-store.ts'
import { isIn, type Network, parseAddress, parseNetwork } from './network.ts'
import { scopesOfRole, withinTenant } from './roles.ts'

/** A key made ready: what a request does with it allocates nothing. */
export type ReadyKey = {
  principal: Principal
  validUntilMs: number
  origins: readonly string[] | undefined
  networks: readonly Network[] | undefined
}

/** For `directory.remember`. */
export function readyKey(stored: UsableKey | undefined): ReadyKey | undefined {
  if (!stored) return undefined
  const { id, tenantId, role, scopes, models, validUntilMs, allowedOrigins, allowedNetworks } = stored
  return {
    principal: {
      tenantId,
      keyId: id,
      scopes: role === null ? withinTenant(scopes ?? [], tenantId) : scopesOfRole(role, tenantId),
      ...(models === null ? {} : { models }),
    },
    validUntilMs: validUntilMs ?? Number.POSITIVE_INFINITY,
    origins: allowedOrigins ?? undefined,
    // One that cannot be read allows nothing.
    networks: allowedNetworks?.map(parseNetwork).filter((network) => network !== undefined),
  }
}

/** `recall` answers at once what the isolate remembers. Rejects with store_unavailable when nobody can tell: closed. */
export function storedKeys(options: {
  recall: (sha256Hex: string) => ReadyKey | undefined | Promise<ReadyKey | undefined>
  nowMs: () => number
}): Keys {
  const { recall, nowMs } = options

  function principalOf(key: ReadyKey | undefined, from: UsedFrom): Principal | undefined {
    if (!key || nowMs() >= key.validUntilMs) return undefined
    if (key.origins && !(from.origin !== undefined && key.origins.includes(from.origin.toLowerCase())))
      throw elsewhere()
    if (key.networks && !isAllowed(from.address, key.networks)) throw elsewhere()
    return key.principal
  }

  return {
    find(sha256Hex, from) {
      const key = recall(sha256Hex)
      return key instanceof Promise ? key.then((found) => principalOf(found, from)) : principalOf(key, from)
    },
  }
}

/** An address that is not known is not allowed. */
function isAllowed(text: string | undefined, networks: readonly Network[]): boolean {
  const address = text === undefined ? undefined : parseAddress(text)
  return address !== undefined && networks.some((network) => isIn(address, network))
}

function elsewhere(): AppError {
  return new AppError('origin_not_allowed', 'This key may not be used from this address or page.')
}
