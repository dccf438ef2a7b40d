/** What min_p leaves of the vocabulary: tokens that have at least this share of the likeliest one's probability (step 4 of src/contract/sampling.ts). */
import { massOf } from './top-selection.ts'

/**
 * `ids` of what is left, rising, and `logits` in which everything else is -Infinity, so that whoever limits further need not know.
 * Both are overwritten by the next call.
 */
export type MinPSelection = { ids: Int32Array; logits: Float32Array }

export type SelectMinP = (logits: Float32Array, largest: number, temperature: number, minP: number) => MinPSelection

/** Above the rounding of exp and of Math.log, whose last bits differ between machines. */
const MARGIN = 1e-6

export function createMinP(vocabSize: number): SelectMinP {
  const ids = new Int32Array(vocabSize)
  const left = new Float32Array(vocabSize)

  return (logits, largest, temperature, minP) => {
    const zMax = largest / temperature
    const massMin = minP * 2 ** 32
    // Spares the exponential for all that is clearly too unlikely. Masses are rounded, so half of one may still count as one.
    const zMin = Math.log(Math.max(massMin - 0.5, 0.5) / 2 ** 32) - MARGIN
    left.fill(Number.NEGATIVE_INFINITY)
    let length = 0
    for (let id = 0; id < vocabSize; id++) {
      const logit = logits[id] ?? 0
      const z = logit / temperature - zMax
      if (z < zMin || massOf(z) < massMin) continue
      ids[length++] = id
      left[id] = logit
    }
    return { ids: ids.subarray(0, length), logits: left }
  }
}
