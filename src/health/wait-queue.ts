/** Who waits, in the order in which they are served: tenants take turns, and each tenant's are in the order in which they came. Pure. */

export type Waiter = { id: string; tenantId: string; deploymentIds: readonly string[] }

export type WaitQueue<Item extends Waiter> = {
  add(waiter: Item): void
  /** Undefined: it was served, or had left. */
  remove(id: string): Item | undefined
  size(): number
  /** The first that `serve` does not refuse, tenant by tenant: each that is served has his tenant go to the end. */
  serve(serve: (waiter: Item) => boolean): void
}

export function waitQueue<Item extends Waiter>(): WaitQueue<Item> {
  /** Iterates in the order in which the tenants' turns come. */
  const tenants = new Map<string, Map<string, Item>>()
  const tenantOf = new Map<string, string>()

  function remove(id: string): Item | undefined {
    const tenantId = tenantOf.get(id) ?? ''
    const line = tenants.get(tenantId)
    const waiter = line?.get(id)
    line?.delete(id)
    if (line?.size === 0) tenants.delete(tenantId)
    tenantOf.delete(id)
    return waiter
  }

  return {
    add(waiter) {
      const line = tenants.get(waiter.tenantId) ?? new Map<string, Item>()
      line.set(waiter.id, waiter)
      tenants.set(waiter.tenantId, line)
      tenantOf.set(waiter.id, waiter.tenantId)
    },
    remove,
    size: () => tenantOf.size,
    serve(serve) {
      for (let isAnyServed = true; isAnyServed; ) {
        isAnyServed = false
        for (const [tenantId, line] of [...tenants]) {
          const served = [...line.values()].find(serve)
          if (!served) continue
          isAnyServed = true
          remove(served.id)
          if (line.size === 0) continue
          tenants.delete(tenantId)
          tenants.set(tenantId, line)
        }
      }
    },
  }
}
