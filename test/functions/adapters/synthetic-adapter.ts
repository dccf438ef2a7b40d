/** Writes LoRA adapters as PEFT does, with seeded random weights: to have two that differ, of any rank and for any modules. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '../import/synthetic-blocks.ts'

export type SyntheticAdapter = {
  rank: number
  /** Outputs and inputs of each module to change, as in `{ 'self_attn.q_proj': [576, 576] }`. */
  modules: Record<string, [rows: number, columns: number]>
  layers: number
  seed: number
  /** Largest weight; default 0.02, which changes answers and leaves them sensible. */
  size?: number
  dtype?: 'F32' | 'F16' | 'BF16'
  /** Other fields of adapter_config.json. */
  config?: Record<string, unknown>
}

/** @returns the folder */
export function writeSyntheticAdapter(folder: string, options: SyntheticAdapter): string {
  const { rank, modules, dtype = 'F32', config = {} } = options
  const tensors: Record<string, { shape: number[]; values: readonly number[] }> = {}
  for (const [name, values] of adapterValues(options)) {
    const count = values.length / rank
    tensors[name] = { shape: name.includes('lora_A') ? [rank, count] : [count, rank], values }
  }
  mkdirSync(folder, { recursive: true })
  const targets = Object.keys(modules).map((module) => module.split('.')[1])
  const peft = { peft_type: 'LORA', task_type: 'CAUSAL_LM', r: rank, lora_alpha: 2 * rank, target_modules: targets }
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...peft, bias: 'none', ...config }))
  writeFileSync(join(folder, 'adapter_model.safetensors'), encodeSafetensors(tensors, dtype))
  return folder
}

/** The weights by their names in the file, row by row: 0 or multiples of 1 / 128 of the largest, which any kind of float holds. */
export function adapterValues({ rank, modules, layers, seed, size = 0.02 }: SyntheticAdapter): Map<string, number[]> {
  const random = seededRandom(seed)
  const unit = 2 ** Math.round(Math.log2(size)) / 128
  const values = (count: number) => Array.from({ length: count }, () => Math.round((random() * 2 - 1) * 128) * unit + 0)
  const tensors = new Map<string, number[]>()
  for (let layer = 0; layer < layers; layer++) {
    for (const [module, [rows, columns]] of Object.entries(modules)) {
      const name = `base_model.model.model.layers.${layer}.${module}`
      tensors.set(`${name}.lora_A.weight`, values(rank * columns))
      tensors.set(`${name}.lora_B.weight`, values(rows * rank))
    }
  }
  return tensors
}

export function encodeSafetensors(
  tensors: Record<string, { shape: number[]; values: readonly number[] }>,
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
): Buffer {
  const table: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  const parts: Buffer[] = []
  let at = 0
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const bytes = encodeValues(values, dtype)
    table[name] = { dtype, shape, data_offsets: [at, at + bytes.length] }
    parts.push(bytes)
    at += bytes.length
  }
  const head = Buffer.from(JSON.stringify(table))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(head.length))
  return Buffer.concat([length, head, ...parts])
}

function encodeValues(values: readonly number[], dtype: 'F32' | 'F16' | 'BF16'): Buffer {
  const floats = Float32Array.from(values)
  if (dtype === 'F32') return Buffer.from(floats.buffer)
  const bits = new Uint32Array(floats.buffer)
  // Cut, not rounded: only what the file holds matters. A half here is normal or zero.
  const halves = Uint16Array.from(bits, (word) => (dtype === 'BF16' ? word >>> 16 : halfOf(word)))
  return Buffer.from(halves.buffer)
}

function halfOf(word: number): number {
  const exponent = ((word >>> 23) & 255) - 127 + 15
  return exponent <= 0 ? 0 : ((word >>> 16) & 0x8000) | (exponent << 10) | ((word >>> 13) & 1023)
}
