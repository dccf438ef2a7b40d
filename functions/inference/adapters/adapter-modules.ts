/** Which of the graph's fused products each module of a transformer is part of, and where. */
import type { Product } from '../import/lora-graph.ts'
import type { ModelConfig } from '../models/model-config.ts'

export type AdapterModule = {
  /** As PEFT names it, within a layer: `self_attn.q_proj`. */
  name: string
  product: Product
  /** Its outputs are `rows` of the product's, from `first`. */
  first: number
  rows: number
  /** Outputs per head whose two halves lie interleaved in the graph; 0 where the order is the trainer's. */
  interleavedHeadDim: number
}

/** llama.cpp's order of q and k (rotary_interleaved in the graph); other architectures keep the trainer's. */
const INTERLEAVED = new Set<string>(['llama'])

/** In the order in which they are stacked. @param rows of the graph's products */
export function adapterModules(config: ModelConfig, rows: Record<Product, number>): AdapterModule[] {
  const { heads, kvHeads, headDim, architecture } = config
  const queryRows = heads * headDim
  const kvRows = kvHeads * headDim
  const half = rows.gate_up / 2
  const interleavedHeadDim = INTERLEAVED.has(architecture) ? headDim : 0
  const plain = { interleavedHeadDim: 0 }
  return [
    { name: 'self_attn.q_proj', product: 'qkv', first: 0, rows: queryRows, interleavedHeadDim },
    { name: 'self_attn.k_proj', product: 'qkv', first: queryRows, rows: kvRows, interleavedHeadDim },
    { ...plain, name: 'self_attn.v_proj', product: 'qkv', first: queryRows + kvRows, rows: kvRows },
    { ...plain, name: 'self_attn.o_proj', product: 'projected', first: 0, rows: rows.projected },
    { ...plain, name: 'mlp.gate_proj', product: 'gate_up', first: 0, rows: half },
    { ...plain, name: 'mlp.up_proj', product: 'gate_up', first: half, rows: half },
    { ...plain, name: 'mlp.down_proj', product: 'down', first: 0, rows: rows.down },
  ]
}
