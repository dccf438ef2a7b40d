/** Makes a routing document hold at the Worker that has just been started. What holds already makes no version. */
import type { RoutingConfig } from '../../src/contract/routing-config.ts'
import { configApi, Refused } from '../config/config-api.ts'

export type AppliedConfig = { kind: 'applied'; models: readonly string[] } | { kind: 'refused'; message: string }

/** `edit` is given what holds; `undefined` leaves it. `models` are the aliases of what holds then, but those of version 0, which the caller knows. */
export async function applyConfig(options: {
  url: string
  key: string
  comment: string
  edit(held: { version: number; config: RoutingConfig }): unknown
}): Promise<AppliedConfig> {
  const api = configApi(options.url, options.key)
  try {
    const { version, config } = await api.current()
    // Sound: the Worker is of this checkout.
    const held = { version, config: config as RoutingConfig }
    const document = options.edit(held)
    const holds = document === undefined ? { version, config } : await api.apply(document, version, options.comment)
    const models = holds.version === 0 ? [] : Object.keys((holds.config as RoutingConfig | undefined)?.models ?? {})
    return { kind: 'applied', models }
  } catch (error) {
    const reasons = error instanceof Refused ? error.reasons.map((reason) => `\n  ${reason}`) : []
    return { kind: 'refused', message: `${error instanceof Error ? error.message : String(error)}${reasons.join('')}` }
  }
}
