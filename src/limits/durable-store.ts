/** The store over the Durable Object binding: names the object of a principal, and passes on. */
import type { Limits } from './limit-object.ts'
import type { LimitStore } from './stores.ts'

export function durableStore(namespace: DurableObjectNamespace<Limits>): LimitStore {
  // A stub for each call: they may not be shared between requests.
  return {
    async take({ owner, name, amount, windowMs }, windowStartMs, ask) {
      return namespace.getByName(owner).take(name, amount, windowMs, windowStartMs, ask)
    },
    async giveBack({ owner, name, windowMs }, windowStartMs, amount) {
      await namespace.getByName(owner).giveBack(name, windowMs, windowStartMs, amount)
    },
    async hold({ owner, name, amount }, holding) {
      return namespace.getByName(owner).hold(name, amount, holding)
    },
  }
}
