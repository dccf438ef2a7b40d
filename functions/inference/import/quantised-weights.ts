/** Turns GGUF matrices into tensors of the graph, exactly: quantised ones stay quantised, others become fp32. Several matrices of one format are stacked by rows. */
import { type BlockFormat, type FloatFormat, GGML_TYPES } from './ggml-types.ts'
import type { GgufFile, GgufTensor } from './gguf-file.ts'
import type { GraphBuilder, Region, WriteWeights } from './graph-builder.ts'

/** Names are stable prefixes; shapes are in model order: [rows (outputs), columns (inputs)]. */
export type Matrix = FloatMatrix | BlockMatrix
export type FloatMatrix = { kind: 'float'; name: string; rows: number; columns: number; values: Region }
export type BlockMatrix = {
  kind: 'blocks'
  name: string
  rows: number
  columns: number
  format: BlockFormat
  groupsPerRow: number
  /** uint8 [rows, columns * bits / 8] */
  integers: Region
  /** float [rows, groupsPerRow] */
  scales: Region
  /** float [rows, groupsPerRow], for formats with a minimum. */
  minimums: Region | null
}

/** Weights are read and written in pieces of about this many bytes. */
const PIECE_BYTES = 4 * 1_048_576

/** Reserves room for the stacked matrices and registers their conversion. All must have one type and one number of columns. */
export function addMatrix(builder: GraphBuilder, file: GgufFile, name: string, parts: readonly GgufTensor[]): Matrix {
  const first = parts[0]
  if (!first || parts.some((part) => part.type !== first.type || part.columns !== first.columns)) {
    throw new Error(`${name} is stacked from matrices of different types`)
  }
  const format = GGML_TYPES[first.type]
  const columns = first.columns
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  if (format.kind === 'float') {
    const matrix: FloatMatrix = { kind: 'float', name, rows, columns, values: builder.reserve(rows * columns * 4) }
    builder.fill((write) => writeFloats(file, parts, format, matrix, write))
    return matrix
  }
  const groupsPerRow = columns / format.groupElements
  const matrix: BlockMatrix = {
    kind: 'blocks',
    name,
    rows,
    columns,
    format,
    groupsPerRow,
    integers: builder.reserve((rows * columns * format.bits) / 8),
    scales: builder.reserve(rows * groupsPerRow * 4),
    minimums: format.hasMinimum ? builder.reserve(rows * groupsPerRow * 4) : null,
  }
  builder.fill((write) => writeBlocks(file, parts, matrix, write))
  return matrix
}

async function writeFloats(
  file: GgufFile,
  parts: readonly GgufTensor[],
  format: FloatFormat,
  matrix: FloatMatrix,
  write: WriteWeights,
): Promise<void> {
  let done = 0
  for await (const piece of pieces(file, parts)) {
    const values = new Float32Array(piece.length / format.blockBytes)
    for (let i = 0; i < values.length; i++) values[i] = format.read(piece, i * format.blockBytes)
    await write(matrix.values.offset + done * 4, bytesOf(values))
    done += values.length
  }
}

async function writeBlocks(
  file: GgufFile,
  parts: readonly GgufTensor[],
  matrix: BlockMatrix,
  write: WriteWeights,
): Promise<void> {
  const { format, integers, scales, minimums } = matrix
  const integerBytes = (format.blockElements * format.bits) / 8
  const groups = format.blockElements / format.groupElements
  let done = 0
  for await (const piece of pieces(file, parts)) {
    const count = piece.length / format.blockBytes
    const out = {
      integers: new Uint8Array(count * integerBytes),
      scales: new Float32Array(count * groups),
      minimums: new Float32Array(format.hasMinimum ? count * groups : 0),
    }
    for (let block = 0; block < count; block++) format.unpack(piece, block * format.blockBytes, out, block)
    await write(integers.offset + done * integerBytes, out.integers)
    await write(scales.offset + done * groups * 4, bytesOf(out.scales))
    if (minimums) await write(minimums.offset + done * groups * 4, bytesOf(out.minimums))
    done += count
  }
}

/** The bytes of the matrices one after the other, in whole blocks. */
async function* pieces(file: GgufFile, parts: readonly GgufTensor[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    const { blockBytes } = GGML_TYPES[part.type]
    const pieceBytes = Math.floor(PIECE_BYTES / blockBytes) * blockBytes
    for (let at = 0; at < part.byteLength; at += pieceBytes) {
      yield await file.read(part.offset + at, Math.min(pieceBytes, part.byteLength - at))
    }
  }
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
