/**
 * Rendezvous hashing with weights: each candidate draws a number from the key and its own name, and the order is that of the numbers.
 * Every isolate gets the same order; a candidate that goes leaves the others' order as it was, and one that comes takes its share alone.
 * Schindelhauer and Schomaker's weights: with -weight / ln(u) the chance to be first is the share of the weight.
 */
import { byRank, type Candidate } from './candidate.ts'
import { chanceOf } from './mark.ts'

/** Sorts in place. */
export function rendezvousOrder(candidates: Candidate[], key: number): void {
  // -ln(u) / weight is the reciprocal, and the least comes first.
  for (const candidate of candidates) {
    candidate.rank = -Math.log(chanceOf(key, candidate.target.mark)) / candidate.target.weight
  }
  candidates.sort(byRank)
}
