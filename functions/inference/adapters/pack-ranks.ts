/** Moves one module's A and B, as PEFT keeps them, to their places among the chunks of a product. */
import { CHUNK_RANKS } from '../import/lora-graph.ts'
import type { AdapterModule } from './adapter-modules.ts'

/** @param a [rank, columns] @param out [chunks, columns, 16], written at the ranks from `firstRank` */
export function packA(
  a: Float32Array,
  { rank, columns, firstRank }: { rank: number; columns: number; firstRank: number },
  out: Float32Array,
): void {
  for (let i = 0; i < rank; i++) {
    const at = firstRank + i
    const chunk = Math.floor(at / CHUNK_RANKS) * columns * CHUNK_RANKS + (at % CHUNK_RANKS)
    for (let column = 0; column < columns; column++) out[chunk + column * CHUNK_RANKS] = a[i * columns + column] ?? 0
  }
}

/** @param b [rows of the module, rank] @param out [chunks * 16, rowLength], written at the ranks from `firstRank` and the module's rows */
export function packB(
  b: Float32Array,
  place: { rank: number; module: AdapterModule; firstRank: number; scale: number; rowLength: number },
  out: Float32Array,
): void {
  const { rank, module, firstRank, scale, rowLength } = place
  for (let row = 0; row < module.rows; row++) {
    const to = module.first + graphRow(row, module.interleavedHeadDim)
    for (let i = 0; i < rank; i++) out[(firstRank + i) * rowLength + to] = (b[row * rank + i] ?? 0) * scale
  }
}

/** Where a head's output lies when its halves are interleaved: (head, half, i) becomes (head, i, half). */
export function graphRow(row: number, interleavedHeadDim: number): number {
  if (interleavedHeadDim === 0) return row
  const inHead = row % interleavedHeadDim
  const half = interleavedHeadDim / 2
  return row - inHead + (inHead % half) * 2 + Math.floor(inHead / half)
}
