/** An adapter's weights as the engine's graph takes them (import/lora-graph.ts). */
import type { Product } from '../import/lora-graph.ts'

export type PackedAdapter = {
  /** Those that the adapter changes. */
  products: Map<Product, PackedProduct>
}

export type PackedProduct = {
  /** Of 16 ranks: a power of two. The modules of the product lie side by side, the rest is zeros. */
  chunks: number
  layers: PackedLayer[]
}

export type PackedLayer = {
  /** float [chunks, columns, 16] */
  a: Float32Array<ArrayBuffer>
  /** float [chunks * 16, rows], with the scale in it */
  b: Float32Array<ArrayBuffer>
}
