/**
 * The keys and values of all rows: per layer two buffers float [rows, kvHeads, context, headDim]. A row is one conversation in
 * flight. Rows that decode together must be neighbours, because one tensor spans them; so rows can be copied and swapped.
 */
import type { ModelConfig } from '../models/model-config.ts'
import { floats } from './native-memory.ts'
import { BLOCK_TOKENS, type PrefixRows } from './prefix-store.ts'

export type KvCache = {
  /** The graph's names: past_key_values.{name} is the input, present.{name} the output over the same memory. */
  names: string[]
  /** The shape and memory of `count` rows from `first` of the buffer `name`. */
  rows(name: string, first: number, count: number): { data: Float32Array<ArrayBuffer>; shape: number[] }
  /** Copies the first `tokens` of row `from` over row `to`. */
  copyRow(from: number, to: number, tokens: number): void
  /** Exchanges two rows, as far as either is in use. */
  swapRows(one: number, other: number, tokens: number): void
} & PrefixRows

/** @param context tokens per row; memory is committed only as far as it is written */
export function openKvCache(config: ModelConfig, rows: number, context: number): KvCache {
  const { kvHeads, headDim } = config
  const headLength = context * headDim
  const rowLength = kvHeads * headLength
  const buffers = new Map<string, Float32Array<ArrayBuffer>>()
  for (let layer = 0; layer < config.layers; layer++) {
    for (const part of ['key', 'value']) buffers.set(`${layer}.${part}`, floats(rows * rowLength))
  }

  return {
    names: [...buffers.keys()],
    rows(name, first, count) {
      const buffer = buffers.get(name)
      if (buffer === undefined) throw new Error(`The cache has no buffer ${name}.`)
      return {
        data: buffer.subarray(first * rowLength, (first + count) * rowLength),
        shape: [count, kvHeads, context, headDim],
      }
    },
    copyRow(from, to, tokens) {
      for (const buffer of buffers.values()) {
        for (let head = 0; head < kvHeads; head++) {
          const source = from * rowLength + head * headLength
          buffer.copyWithin(to * rowLength + head * headLength, source, source + tokens * headDim)
        }
      }
    },
    swapRows(one, other, tokens) {
      const length = tokens * headDim
      const spare = new Float32Array(length)
      for (const buffer of buffers.values()) {
        for (let head = 0; head < kvHeads; head++) {
          const a = one * rowLength + head * headLength
          const b = other * rowLength + head * headLength
          spare.set(buffer.subarray(a, a + length))
          buffer.copyWithin(a, b, b + length)
          buffer.set(spare, b)
        }
      }
    },
    tokenFloats: buffers.size * kvHeads * headDim,
    saveTokens(row, position, count, block, at) {
      for (const { buffer, inRow, inBlock } of places(row, position, at)) {
        block.set(buffer.subarray(inRow, inRow + count * headDim), inBlock)
      }
    },
    loadTokens(row, position, count, block, at) {
      for (const { buffer, inRow, inBlock } of places(row, position, at)) {
        buffer.set(block.subarray(inBlock, inBlock + count * headDim), inRow)
      }
    },
  }

  /** Where one token lies in every buffer and in a block of shape [buffers, kvHeads, BLOCK_TOKENS, headDim]; the next ones follow it. */
  function* places(row: number, position: number, at: number) {
    let inBlock = at * headDim
    for (const buffer of buffers.values()) {
      for (let head = 0; head < kvHeads; head++) {
        yield { buffer, inRow: row * rowLength + head * headLength + position * headDim, inBlock }
        inBlock += BLOCK_TOKENS * headDim
      }
    }
  }
}
