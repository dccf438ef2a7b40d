/**
 * Products of activations and weights, as nodes. Everything here keeps the rules of sameness: a row's result must not depend on the other rows
 * (for two rows or more), which holds for MatMulNBits at accuracy level 4 and for fp32 products.
 */
import type { GgufFile, GgufTensor } from './gguf-file.ts'
import type { GraphBuilder, Region } from './graph-builder.ts'
import { addMatrix, type BlockMatrix, type Matrix } from './quantised-weights.ts'

/**
 * How MatMulNBits computes: 4 rounds activations to int8 per group, which is twice as fast at 4 bits and twenty times at 8 bits;
 * 1 keeps them fp32, for comparison with a plain computation.
 */
export type AccuracyLevel = 1 | 4

export class LinearLayers {
  readonly #builder: GraphBuilder
  readonly #file: GgufFile
  /** Sums over groups, by input and group size: q, k, v share them, and so do gate and up. */
  readonly #groupSums = new Map<string, string>()

  readonly #accuracyLevel: AccuracyLevel
  readonly #constants = new Set<string>()

  constructor(builder: GraphBuilder, file: GgufFile, accuracyLevel: AccuracyLevel) {
    this.#builder = builder
    this.#file = file
    this.#accuracyLevel = accuracyLevel
  }

  /** `input` [.., columns] times the stacked matrices: `output` [.., sum of rows]. Matrices of different types are multiplied one by one. */
  stacked(input: string, parts: readonly GgufTensor[], output: string): string {
    const types = new Set(parts.map((part) => part.type))
    if (types.size === 1)
      return this.product(input, addMatrix(this.#builder, this.#file, `${output}.weight`, parts), output)
    const pieces = parts.map((part, index) => this.stacked(input, [part], `${output}.${index}`))
    return this.#builder.node('Concat', pieces, [output], { axis: -1 })
  }

  /** `input` [.., columns] times one matrix: `output` [.., rows]. */
  product(input: string, matrix: Matrix, output: string): string {
    const builder = this.#builder
    const { name, rows, columns } = matrix
    if (matrix.kind === 'float') {
      const values = builder.tensor(`${name}.values`, 'float', [rows, columns], matrix.values)
      return builder.contribNode('FusedMatMul', [input, values], [output], {
        transA: 0,
        transB: 1,
        alpha: { float: 1 },
      })
    }
    if (!matrix.minimums) return this.#quantised(input, matrix, output)
    const minimums = builder.tensor(`${name}.minimums`, 'float', [rows, matrix.groupsPerRow], matrix.minimums)
    const sums = this.#sumsOf(input, matrix)
    const correction = builder.contribNode('FusedMatMul', [sums, minimums], [`${output}.correction`], { transB: 1 })
    return builder.node('Add', [this.#quantised(input, matrix, `${output}.quantised`), correction], [output])
  }

  /** Rows of a matrix by index: `indices` int64 [..] gives `output` float [.., columns]. The matrix may also be the head's (tied embeddings). */
  rows(indices: string, matrix: Matrix, output: string): string {
    const builder = this.#builder
    const { name, rows, columns } = matrix
    if (matrix.kind === 'float') {
      const values = builder.tensor(`${name}.rows`, 'float', [rows, columns], matrix.values)
      return builder.node('Gather', [values, indices], [output], { axis: 0 })
    }
    const { format, groupsPerRow } = matrix
    const inputs = [
      builder.tensor(`${name}.rows`, 'uint8', [rows, (columns * format.bits) / 8], matrix.integers),
      indices,
      builder.tensor(`${name}.rows.scales`, 'float', [rows, groupsPerRow], matrix.scales),
    ]
    const attributes = { bits: format.bits, block_size: format.groupElements, gather_axis: 0, quantize_axis: 1 }
    if (!matrix.minimums) return builder.contribNode('GatherBlockQuantized', inputs, [output], attributes)
    const quantised = builder.contribNode('GatherBlockQuantized', inputs, [`${output}.quantised`], attributes)
    return this.#addMinimums(indices, matrix, matrix.minimums, quantised, output)
  }

  #quantised(input: string, matrix: BlockMatrix, output: string): string {
    const builder = this.#builder
    const { name, rows, columns, format, groupsPerRow } = matrix
    const blobBytes = (format.groupElements * format.bits) / 8
    const inputs = [
      input,
      builder.tensor(`${name}.integers`, 'uint8', [rows, groupsPerRow, blobBytes], matrix.integers),
      builder.tensor(`${name}.scales`, 'float', [rows, groupsPerRow], matrix.scales),
    ]
    return builder.contribNode('MatMulNBits', inputs, [output], {
      K: columns,
      N: rows,
      bits: format.bits,
      block_size: format.groupElements,
      accuracy_level: this.#accuracyLevel,
    })
  }

  /** `input` [batch, sequence, columns] to its sums over groups, [batch, sequence, groups]. */
  #sumsOf(input: string, matrix: BlockMatrix): string {
    const builder = this.#builder
    const { groupsPerRow, format } = matrix
    const key = `${input}.sums${format.groupElements}`
    const known = this.#groupSums.get(key)
    if (known) return known
    const shape = this.#int64(`shape.${groupsPerRow}x${format.groupElements}`, [
      0,
      0,
      groupsPerRow,
      format.groupElements,
    ])
    const groups = builder.node('Reshape', [input, shape], [`${key}.groups`])
    const sums = builder.node('ReduceSum', [groups, this.#int64('axis.3', [3])], [key], { keepdims: 0 })
    this.#groupSums.set(key, sums)
    return sums
  }

  /** Adds each group's minimum to its elements: rows [batch, sequence, columns]. */
  #addMinimums(indices: string, matrix: BlockMatrix, region: Region, quantised: string, output: string): string {
    const builder = this.#builder
    const { name, rows, columns, groupsPerRow, format } = matrix
    const table = builder.tensor(`${name}.rows.minimums`, 'float', [rows, groupsPerRow, 1], region)
    const minimums = builder.node('Gather', [table, indices], [`${output}.minimums`], { axis: 0 })
    const split = this.#int64(`shape.${groupsPerRow}x${format.groupElements}`, [
      0,
      0,
      groupsPerRow,
      format.groupElements,
    ])
    const groups = builder.node('Reshape', [quantised, split], [`${output}.groups`])
    const sum = builder.node('Add', [groups, minimums], [`${output}.sum`])
    return builder.node('Reshape', [sum, this.#int64(`shape.${columns}`, [0, 0, columns])], [output])
  }

  #int64(name: string, values: number[]): string {
    if (this.#constants.has(name)) return name
    this.#constants.add(name)
    return this.#builder.constant(name, 'int64', [values.length], BigInt64Array.from(values, BigInt))
  }
}
