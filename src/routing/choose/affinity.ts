/**
 * Whoever read the beginning of a prompt before has its keys and values, and answers sooner. Rendezvous hashing finds it again in any
 * isolate; what this isolate remembers corrects that; and one that has too much to do passes on, for waiting costs more than reading.
 */
import type { Candidate } from './candidate.ts'
import { markOf } from './mark.ts'
import type { Popularity } from './popularity.ts'
import type { PrefixMemory } from './prefix-memory.ts'
import { rendezvousOrder } from './rendezvous.ts'
import { leastLoadedOrder } from './strategies.ts'

type Known = { popularity: Popularity; memory: PrefixMemory; random: () => number }

/**
 * Sorts in place.
 * @param prefixes the longest first
 * @param spill how many times the mean load the preferred one may have
 */
export function prefixOrder(candidates: Candidate[], prefixes: readonly string[], spill: number, known: Known): void {
  const level = narrow(candidates, prefixes, spill, known)
  for (let at = 0; at <= level; at++) {
    const holder = known.memory.holderOf(prefixes[at] ?? '')
    if (holder === undefined) continue
    // One that only stood in keeps nobody.
    const index = candidates.findIndex(({ target }) => target.deployment.id === holder && !target.isStandby)
    if (index < 0) continue
    toFront(candidates, index)
    break
  }
  spillOver(candidates, spill)
}

/**
 * From the shortest beginning to longer ones, each time only as many candidates are left as may carry the share of requests that begin
 * so: one for a conversation, all for a system prompt that everybody has. The best come first.
 * @returns the place of the first beginning that belongs to one candidate, or -1: all are shared by many
 */
function narrow(
  candidates: Candidate[],
  prefixes: readonly string[],
  spill: number,
  { popularity, random }: Known,
): number {
  let left = candidates.slice()
  popularity.count()
  for (let at = prefixes.length - 1; at >= 0 && left.length > 1; at--) {
    const prefix = prefixes[at] ?? ''
    const worth = popularity.worth(prefix, candidates.length)
    rendezvousOrder(left, markOf(prefix))
    for (const [index, candidate] of left.entries()) candidates[index] = candidate
    if (worth <= spill) return at
    left = left.slice(0, Math.ceil(worth - SHARE_NOISE))
  }
  leastLoadedOrder(left, random)
  for (const [index, candidate] of left.entries()) candidates[index] = candidate
  return -1
}

/** Of a share that is just a whole number of replicas' now and then a little more is counted. */
const SHARE_NOISE = 0.1

/** So many calls side by side delay each other less than reading a prompt once more does, however few the others have. */
const CALLS_ALWAYS_FINE = 3

/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam): the first that has room goes to the front. Not the least
 * loaded: what is spilled of one beginning then meets at the same place, and that beginning is read there once.
 */
export function spillOver(candidates: Candidate[], spill: number): void {
  let calls = 1
  let weights = 0
  for (const { target, health } of candidates) {
    calls += health.inFlight
    weights += target.weight
  }
  const hasRoom = ({ target, health }: Candidate) =>
    health.inFlight < Math.max(CALLS_ALWAYS_FINE, Math.ceil((spill * calls * target.weight) / weights))
  const index = candidates.findIndex(hasRoom)
  if (index > 0) toFront(candidates, index)
}

function toFront(candidates: Candidate[], index: number): void {
  candidates.unshift(...candidates.splice(index, 1))
}
