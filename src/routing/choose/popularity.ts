/** How much of a route's requests begin alike: what nearly all share (a system prompt) says nothing about where to go. */

export type Popularity = {
  /** One more request. */
  count(): void
  /** It begins so: how many of `replicas` the recent requests that do would keep busy, this one included, if all were as long. */
  worth(prefix: string, replicas: number): number
}

/** Fewer requests than this, for each replica, say nothing about shares. */
const REQUESTS_LEAST = 2
/** After so many all counts are halved, so that what is no longer asked is forgotten: bounds the table, too. */
const REQUESTS_KEPT = 2_048

export function popularity(): Popularity {
  const counts = new Map<string, number>()
  let requests = 0
  return {
    count() {
      if (++requests < REQUESTS_KEPT) return
      requests /= 2
      for (const [prefix, count] of counts) {
        if (count < 2) counts.delete(prefix)
        else counts.set(prefix, count / 2)
      }
    },
    worth(prefix, replicas) {
      const count = (counts.get(prefix) ?? 0) + 1
      counts.set(prefix, count)
      return (count * replicas) / Math.max(requests, REQUESTS_LEAST * replicas)
    },
  }
}
