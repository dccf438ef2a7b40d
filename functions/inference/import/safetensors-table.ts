/**
 * Reads the table of a safetensors file: eight bytes of length, a JSON object, the values. https://github.com/huggingface/safetensors#format
 * Every length is checked against the file's size before it is believed, and no two tensors share bytes.
 */
import type { FileHandle } from 'node:fs/promises'
import * as z from 'zod/mini'
import { GgufError } from './gguf-cursor.ts'

export type StoredTensor = {
  dtype: string
  /** Outermost dimension first. */
  shape: readonly number[]
  /** From the start of the file, in bytes. */
  offset: number
  byteLength: number
}

/** The format's own limit is 100 MB; a model of 126 layers has 1,200 tensors at about 150 bytes each. */
const TABLE_BYTES_MAX = 16 * 1_048_576
const TENSORS_MAX = 65_536

/** The types that a model may be stored in. Others are known to exist, so that the error can name them. */
export const STORED_BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 }

const count = z.int().check(z.nonnegative())
const tensorSchema = z.object({
  dtype: z.string(),
  shape: z.array(count).check(z.maxLength(8)),
  data_offsets: z.tuple([count, count]),
})

/** @throws GgufError for a file that is not safetensors, was cut short, or whose tensors do not lie within it, each by itself */
export async function readSafetensorsTable(file: FileHandle): Promise<Map<string, StoredTensor>> {
  const { size } = await file.stat()
  const length = size < 8 ? Number.POSITIVE_INFINITY : Number((await readAt(file, 0, 8)).readBigUInt64LE())
  if (length > TABLE_BYTES_MAX || 8 + length > size) throw new GgufError('it is not safetensors, or was cut short')
  const entries = Object.entries(parseTable(await readAt(file, 8, length)))
  if (entries.length > TENSORS_MAX)
    throw new GgufError(`it claims ${entries.length} tensors, and the limit is ${TENSORS_MAX}`)
  const tensors = new Map<string, StoredTensor>()
  for (const [name, value] of entries) {
    if (name !== '__metadata__') tensors.set(name, storedTensor(name, value, 8 + length, size))
  }
  refuseOverlaps(tensors)
  return tensors
}

function storedTensor(name: string, value: unknown, base: number, size: number): StoredTensor {
  const parsed = tensorSchema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new GgufError(`its tensor ${name}: ${issue?.path.join('.')}: ${issue?.message}`)
  }
  const { dtype, shape } = parsed.data
  const [start, end] = parsed.data.data_offsets
  const bytesEach = STORED_BYTES[dtype]
  const expected =
    bytesEach === undefined ? end - start : shape.reduce((product, length) => product * length, bytesEach)
  if (end < start || end - start !== expected || base + end > size) {
    throw new GgufError(`its tensor ${name} does not lie within the file, which was cut short or damaged`)
  }
  return { dtype, shape, offset: base + start, byteLength: end - start }
}

function refuseOverlaps(tensors: ReadonlyMap<string, StoredTensor>): void {
  let end = 0
  for (const [name, { offset, byteLength }] of [...tensors].sort(([, a], [, b]) => a.offset - b.offset)) {
    if (offset < end) throw new GgufError(`its tensor ${name} shares bytes with another`)
    end = offset + byteLength
  }
}

function parseTable(bytes: Buffer): object {
  try {
    const table: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof table === 'object' && table !== null && !Array.isArray(table)) return table
  } catch {
    // Said below, as for JSON of another kind.
  }
  throw new GgufError('it is not safetensors: its table is not a JSON object')
}

/** @throws GgufError where the file is shorter than it was */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  const { bytesRead } = await file.read(bytes, 0, length, position)
  if (bytesRead !== length) throw new GgufError('it became shorter while it was read')
  return bytes
}
