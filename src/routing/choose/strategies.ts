/** In which order a group is asked when nothing binds the request to one of it: a table from the strategy's name. Each sorts in place. */
import type { RequestFacts } from '../../chat/ports.ts'
import type { Strategy } from '../../contract/routing-config.ts'
import { byRank, type Candidate, loadOf } from './candidate.ts'
import { greatCircleKm, placePosition } from './positions.ts'

type Order = (candidates: Candidate[], facts: RequestFacts, random: () => number) => void

export const STRATEGY_ORDERS: Readonly<Record<Strategy, Order>> = {
  weighted: (candidates, _, random) => weightedOrder(candidates, random),
  least_loaded: (candidates, _, random) => leastLoadedOrder(candidates, random),
  cheapest: rankedOrder(costOf),
  nearest: rankedOrder(distanceOf),
}

/** Each place is drawn by weight among those that are left (Efraimidis and Spirakis: the least of exponential draws). */
function weightedOrder(candidates: Candidate[], random: () => number): void {
  // 1 - u: never the logarithm of 0.
  for (const candidate of candidates) candidate.rank = -Math.log(1 - random()) / candidate.target.weight
  candidates.sort(byRank)
}

/**
 * A deployment that was slow once is told by its next answer only, and gets none while it counts as slow. So it counts as at most so
 * many times slower than the other, and is asked when that has more calls.
 */
const SLOWER_AT_MOST = 4
/** Less is noise, and would send all isolates to the same one. */
const SLOWER_AT_LEAST = 1.25

/** The better of two that were drawn by weight: nearly as even as the best of all, and isolates that know as little do not run together. */
export function leastLoadedOrder(candidates: Candidate[], random: () => number): void {
  weightedOrder(candidates, random)
  const [first, second] = candidates
  if (first === undefined || second === undefined || second.target.isStandby) return
  // The call itself counts the same for both: where both have nothing to do the draw stands, which went by weight.
  const itself = 2 / (first.target.weight + second.target.weight)
  const slower = slownessOf(second, first)
  const firstLoad = (loadOf(first) + itself) * Math.max(1 / slower, 1)
  const secondLoad = (loadOf(second) + itself) * Math.max(slower, 1)
  if (secondLoad >= firstLoad) return
  candidates[0] = second
  candidates[1] = first
}

/** How many times slower than another, within the bounds above. What has not answered yet, or may try again, is not known to be slow. */
function slownessOf({ health }: Candidate, { health: other }: Candidate): number {
  if (health.state !== 'well' || other.state !== 'well') return 1
  if (health.latencyMs === undefined || other.latencyMs === undefined) return 1
  const ratio = Math.max(health.latencyMs, 1) / Math.max(other.latencyMs, 1)
  if (ratio < SLOWER_AT_LEAST && ratio > 1 / SLOWER_AT_LEAST) return 1
  return Math.min(Math.max(ratio, 1 / SLOWER_AT_MOST), SLOWER_AT_MOST)
}

/** By a rank that is known beforehand; among equals by load, and then by chance: isolates know of their own calls only. */
function rankedOrder(rankOf: (candidate: Candidate, facts: RequestFacts) => number): Order {
  return (candidates, facts, random) => {
    weightedOrder(candidates, random)
    for (const candidate of candidates) {
      candidate.rank = candidate.target.isStandby ? Number.MAX_VALUE : rankOf(candidate, facts)
    }
    candidates.sort((a, b) => a.rank - b.rank || loadOf(a) - loadOf(b))
  }
}

/** What text has; the same for all deployments, so that it only weighs prompt against answer. */
const CHARS_PER_TOKEN = 4
/** Of an answer nobody knows the length of. */
const ANSWER_TOKENS = 256

/** What nobody has priced is behind what has a price, and before what takes no share. */
function costOf({ target: { deployment } }: Candidate, { promptChars }: RequestFacts): number {
  const { price } = deployment
  if (price === undefined) return Number.MAX_SAFE_INTEGER
  return price.input * (promptChars / CHARS_PER_TOKEN) + price.output * ANSWER_TOKENS
}

/** Nearer by less than this is as near: two data centres of one region. */
const SAME_PLACE_KM = 100

function distanceOf({ target }: Candidate, { place }: RequestFacts): number {
  const from = placePosition(place)
  // Nobody knows where the caller is: all are as near, and the least loaded is taken.
  if (from === undefined) return 0
  if (target.position === undefined) return Number.MAX_SAFE_INTEGER
  return Math.floor(greatCircleKm(from, target.position) / SAME_PLACE_KM)
}
