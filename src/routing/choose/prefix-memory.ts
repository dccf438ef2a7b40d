/** Who read which beginning last, as far as this isolate sent it there. Bounded: what was not asked for longest is forgotten. */

export type PrefixMemory = {
  /** The id of the deployment. */
  holderOf(prefix: string): string | undefined
  remember(prefixes: readonly string[], deploymentId: string): void
}

/** About 100 bytes each, in an isolate of 128 MB; a conversation of ten turns has ten. */
export const PREFIXES_MAX = 20_000

/**
 * Two halves: what is remembered goes to the new one, and when that is full the old one is forgotten whole. A list in the order of use
 * would cost a deletion for each entry, and a Map steps over what it has deleted.
 */
export function prefixMemory(prefixesMax = PREFIXES_MAX): PrefixMemory {
  let recent = new Map<string, string>()
  let old = recent
  return {
    holderOf: (prefix) => recent.get(prefix) ?? old.get(prefix),
    remember(prefixes, deploymentId) {
      for (const prefix of prefixes) recent.set(prefix, deploymentId)
      if (recent.size < prefixesMax / 2) return
      old = recent
      recent = new Map()
    },
  }
}
