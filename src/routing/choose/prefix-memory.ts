/** Who read which beginning last, as far as this isolate sent it there. Bounded: the longest unused is forgotten. */

export type PrefixMemory = {
  /** The id of the deployment. */
  holderOf(prefix: string): string | undefined
  remember(prefixes: readonly string[], deploymentId: string): void
}

/** About 100 bytes each, in an isolate of 128 MB; a conversation of ten turns has ten. */
export const PREFIXES_MAX = 20_000

export function prefixMemory(prefixesMax = PREFIXES_MAX): PrefixMemory {
  const holders = new Map<string, string>()
  return {
    holderOf: (prefix) => holders.get(prefix),
    remember(prefixes, deploymentId) {
      for (const prefix of prefixes) {
        // A Map keeps the order of insertion, so the first is the one that was not asked for longest.
        holders.delete(prefix)
        holders.set(prefix, deploymentId)
      }
      let over = holders.size - prefixesMax
      for (const prefix of holders.keys()) {
        if (over-- <= 0) break
        holders.delete(prefix)
      }
    },
  }
}
