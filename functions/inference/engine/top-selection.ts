/**
 * What top_k and top_p leave of the vocabulary. Sorting 49,152 logits takes longer than a step of the model has per row; so they
 * are counted into bins by their distance from the largest, whole bins are in or out, and only the one bin in which the limit falls is
 * sorted. Masses are whole numbers, whose sums do not depend on the order of adding, so the bins give exactly what sorting would.
 */
import { EXP_LOWEST, exp } from './exact-math.ts'

export type TopParameters = { temperature: number; topK: number; topP: number }

/** Ids in no particular order. The view is overwritten by the next call. */
export type TopSelection = (logits: Float32Array, largest: number, parameters: TopParameters) => Int32Array

/** Of the largest logit. Sums over 2^20 tokens stay below 2^53 and therefore exact; what is below 1e-10 of the likeliest has none. */
const MASS_OF_LARGEST = 2 ** 32
/** In units of logit / temperature; the last bin holds all that lies beyond 64. */
const BINS_PER_UNIT = 16
const BINS = 64 * BINS_PER_UNIT
/** What lies in later bins is too unlikely for any mass. */
const BINS_WITH_MASS = -EXP_LOWEST * BINS_PER_UNIT
/** Ids below it fit beside 32 bits of logit in the 53 that a double holds exactly. */
const ID_RANGE = 2 ** 20

/** round(2^32 e^z): a token's share, by the distance of its logit / temperature from the largest. */
export const massOf = (z: number): number => (z < EXP_LOWEST ? 0 : Math.round(MASS_OF_LARGEST * exp(z)))

export function createTopSelection(vocabSize: number): TopSelection {
  if (vocabSize > ID_RANGE) throw new Error(`A vocabulary of ${vocabSize} tokens is larger than ${ID_RANGE}.`)
  const binOf = new Uint16Array(vocabSize)
  const counts = new Float64Array(BINS)
  const masses = new Float64Array(BINS)
  const ids = new Int32Array(vocabSize)

  function fillBins(logits: Float32Array, temperature: number, zMax: number) {
    for (let id = 0; id < vocabSize; id++) {
      const place = (zMax - (logits[id] ?? 0) / temperature) * BINS_PER_UNIT
      binOf[id] = place < BINS - 1 ? place | 0 : BINS - 1
    }
  }

  /** The ids of one bin in the order of falling logit, then rising id. */
  function sortedBin(logits: Float32Array, wanted: number): number[] {
    const keys: number[] = []
    for (let id = 0; id < vocabSize; id++) {
      if (binOf[id] === wanted) keys.push(fallingKey(logits[id] ?? 0) * ID_RANGE + id)
    }
    return Array.from(Float64Array.from(keys).sort(), (key) => key % ID_RANGE)
  }

  return (logits, largest, { temperature, topK, topP }) => {
    const zMax = largest / temperature
    const mass = (id: number) => massOf((logits[id] ?? 0) / temperature - zMax)
    fillBins(logits, temperature, zMax)
    /** Bins before `bin` are in, and of its own ids those in `edge`. */
    let kept: { bin: number; edge: readonly number[] } = { bin: BINS, edge: [] }

    if (topK > 0 && topK < vocabSize) {
      counts.fill(0)
      for (let id = 0; id < vocabSize; id++) counts[binOf[id] ?? 0] = (counts[binOf[id] ?? 0] ?? 0) + 1
      const { bin, before } = binReaching(counts, topK)
      kept = { bin, edge: sortedBin(logits, bin).slice(0, topK - before) }
    }
    if (topP < 1) {
      masses.fill(0)
      for (let id = 0; id < vocabSize; id++) {
        const bin = binOf[id] ?? 0
        if (bin < kept.bin && bin < BINS_WITH_MASS) masses[bin] = (masses[bin] ?? 0) + mass(id)
      }
      for (const id of kept.edge) masses[kept.bin] = (masses[kept.bin] ?? 0) + mass(id)
      const wanted = topP * masses.reduce((sum, binMass) => sum + binMass, 0)
      const { bin, before } = binReaching(masses, wanted)
      const inOrder = bin === kept.bin ? kept.edge : sortedBin(logits, bin)
      let sum = before
      let length = 0
      while (sum < wanted && length < inOrder.length) sum += mass(inOrder[length++] ?? 0)
      kept = { bin, edge: inOrder.slice(0, length) }
    }

    let length = 0
    for (let id = 0; id < vocabSize; id++) {
      if ((binOf[id] ?? 0) < kept.bin) ids[length++] = id
    }
    for (const id of kept.edge) ids[length++] = id
    return ids.subarray(0, length)
  }
}

/** The first bin with which the running sum is at least `wanted`, and the sum before it. */
function binReaching(weights: Float64Array, wanted: number): { bin: number; before: number } {
  let before = 0
  for (let bin = 0; bin < BINS; bin++) {
    const weight = weights[bin] ?? 0
    if (before + weight >= wanted) return { bin, before }
    before += weight
  }
  return { bin: BINS - 1, before: before - (weights[BINS - 1] ?? 0) }
}

const float = new Float32Array(1)
const floatBits = new Uint32Array(float.buffer)

/** A whole number of 32 bits that falls as the logit rises. */
function fallingKey(logit: number): number {
  // Adding 0 makes -0 the 0 that it equals.
  float[0] = logit + 0
  const bits = floatBits[0] ?? 0
  return bits >>> 31 === 1 ? bits : ~(bits | 0x8000_0000) >>> 0
}
