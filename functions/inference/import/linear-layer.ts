/**
 * Products of activations and weights, as nodes. Everything here keeps the rules of sameness: a row's result must not depend on the other rows
 * (for two rows or more), which holds for MatMulNBits at accuracy level 4 and for fp32 products.
 */
import type { GgufFile, GgufTensor } from './gguf-file.ts'
import type { GraphBuilder, Region } from './graph-builder.ts'
import { addMatrix, type BlockMatrix, type Matrix } from './quantised-weights.ts'

/** int8 activations: twice as fast at 4 bits as level 1, twenty times at 8 bits. */
const ACCURACY_LEVEL = 4

export class LinearLayers {
  readonly #builder: GraphBuilder
  readonly #file: GgufFile
  /** Sums over blocks, by input and block size: q, k, v share them, and so do gate and up. */
  readonly #blockSums = new Map<string, string>()
  /** One region of zeros serves as the zero points of every matrix that has a minimum. */
  #zeros: Region | null = null

  constructor(builder: GraphBuilder, file: GgufFile) {
    this.#builder = builder
    this.#file = file
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
    const minimums = builder.tensor(`${name}.minimums`, 'float', [rows, matrix.blocksPerRow], matrix.minimums)
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
    const { format, blocksPerRow } = matrix
    const inputs = [
      builder.tensor(`${name}.rows`, 'uint8', [rows, (columns * format.bits) / 8], matrix.integers),
      indices,
      builder.tensor(`${name}.rows.scales`, 'float', [rows, blocksPerRow], matrix.scales),
    ]
    if (!isDefaultZeroPoint(matrix)) {
      inputs.push(this.#zeroPoints(`${name}.rows.zero_points`, [rows, Math.ceil((blocksPerRow * format.bits) / 8)]))
    }
    const attributes = { bits: format.bits, block_size: format.blockElements, gather_axis: 0, quantize_axis: 1 }
    if (!matrix.minimums) return builder.contribNode('GatherBlockQuantized', inputs, [output], attributes)
    const quantised = builder.contribNode('GatherBlockQuantized', inputs, [`${output}.quantised`], attributes)
    return this.#addMinimums(indices, matrix, matrix.minimums, quantised, output)
  }

  #quantised(input: string, matrix: BlockMatrix, output: string): string {
    const builder = this.#builder
    const { name, rows, columns, format, blocksPerRow } = matrix
    const blobBytes = (format.blockElements * format.bits) / 8
    const inputs = [
      input,
      builder.tensor(`${name}.integers`, 'uint8', [rows, blocksPerRow, blobBytes], matrix.integers),
      builder.tensor(`${name}.scales`, 'float', [rows, blocksPerRow], matrix.scales),
    ]
    if (!isDefaultZeroPoint(matrix)) {
      inputs.push(this.#zeroPoints(`${name}.zero_points`, [rows * Math.ceil((blocksPerRow * format.bits) / 8)]))
    }
    return builder.contribNode('MatMulNBits', inputs, [output], {
      K: columns,
      N: rows,
      bits: format.bits,
      block_size: format.blockElements,
      accuracy_level: ACCURACY_LEVEL,
    })
  }

  /** `input` [batch, sequence, columns] to its sums over blocks, [batch, sequence, blocks]. */
  #sumsOf(input: string, matrix: BlockMatrix): string {
    const builder = this.#builder
    const { blocksPerRow, format } = matrix
    const key = `${input}.sums${format.blockElements}`
    const known = this.#blockSums.get(key)
    if (known) return known
    const shape = this.#int64(`shape.${blocksPerRow}x${format.blockElements}`, [
      0,
      0,
      blocksPerRow,
      format.blockElements,
    ])
    const blocks = builder.node('Reshape', [input, shape], [`${key}.blocks`])
    const sums = builder.node('ReduceSum', [blocks, this.#int64('axis.3', [3])], [key], { keepdims: 0 })
    this.#blockSums.set(key, sums)
    return sums
  }

  /** Adds each block's minimum to its elements: rows [batch, sequence, columns]. */
  #addMinimums(indices: string, matrix: BlockMatrix, region: Region, quantised: string, output: string): string {
    const builder = this.#builder
    const { name, rows, columns, blocksPerRow, format } = matrix
    const table = builder.tensor(`${name}.rows.minimums`, 'float', [rows, blocksPerRow, 1], region)
    const minimums = builder.node('Gather', [table, indices], [`${output}.minimums`], { axis: 0 })
    const split = this.#int64(`shape.${blocksPerRow}x${format.blockElements}`, [
      0,
      0,
      blocksPerRow,
      format.blockElements,
    ])
    const blocks = builder.node('Reshape', [quantised, split], [`${output}.blocks`])
    const sum = builder.node('Add', [blocks, minimums], [`${output}.sum`])
    return builder.node('Reshape', [sum, this.#int64(`shape.${columns}`, [0, 0, columns])], [output])
  }

  #zeroPoints(name: string, dims: number[]): string {
    // A shared region must hold the largest, which is not known yet: reserve per size and reuse what is long enough.
    const byteLength = dims.reduce((product, size) => product * size, 1)
    if (!this.#zeros || this.#zeros.byteLength < byteLength) this.#zeros = this.#builder.reserve(byteLength)
    return this.#builder.tensor(name, 'uint8', dims, this.#zeros)
  }

  readonly #constants = new Set<string>()
  #int64(name: string, values: number[]): string {
    if (this.#constants.has(name)) return name
    this.#constants.add(name)
    return this.#builder.constant(name, 'int64', [values.length], BigInt64Array.from(values, BigInt))
  }
}

/** What both operators assume where no zero points are given. */
function isDefaultZeroPoint({ format }: BlockMatrix): boolean {
  return format.zeroPoint === 2 ** (format.bits - 1)
}
