/** Reads safetensors files: eight bytes of length, a JSON table, the values. https://github.com/huggingface/safetensors#format */
import { type FileHandle, open } from 'node:fs/promises'
import * as z from 'zod/mini'
import { halfToFloat } from '../import/half-float.ts'
import { AdapterError } from './adapter-error.ts'

export type Safetensors = {
  /** By name; shapes are as the trainer's, outermost dimension first. */
  tensors: ReadonlyMap<string, TensorInfo>
  /** The values, row by row. One tensor at a time, so that whoever else works is not kept waiting. */
  read(info: TensorInfo): Promise<Float32Array>
  close(): Promise<void>
}

export type TensorInfo = z.infer<typeof tensorSchema>

/** 256 layers of 7 modules have 3,584 tensors at about 150 bytes each. */
const HEADER_BYTES_MAX = 4 * 1_048_576
/** Rank 512 on all products of a 7B model. */
export const ADAPTER_BYTES_MAX = 2 ** 31

const BYTES_PER_VALUE = { F32: 4, F16: 2, BF16: 2 }

const tensorSchema = z.object({
  dtype: z.enum(['F32', 'F16', 'BF16']),
  shape: z.array(z.int().check(z.positive(), z.maximum(2 ** 24))).check(z.length(2)),
  data_offsets: z.tuple([z.int().check(z.nonnegative()), z.int().check(z.nonnegative())]),
})

/** @throws AdapterError for a file that is not safetensors, is cut short, or has other tensors than matrices of floats */
export async function openSafetensors(path: string): Promise<Safetensors> {
  const file = await open(path, 'r')
  try {
    return await readTable(file)
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readTable(file: FileHandle): Promise<Safetensors> {
  const { size } = await file.stat()
  if (size > ADAPTER_BYTES_MAX)
    throw new AdapterError(`its file has ${size} bytes, and at most ${ADAPTER_BYTES_MAX} are read`)
  const length = Number((await readAt(file, 0, 8)).readBigUInt64LE())
  if (length > HEADER_BYTES_MAX || 8 + length > size)
    throw new AdapterError('its file is not safetensors, or was cut short')
  const tensors = new Map<string, TensorInfo>()
  for (const [name, value] of Object.entries(parseTable(await readAt(file, 8, length)))) {
    if (name === '__metadata__') continue
    const parsed = tensorSchema.safeParse(value)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      throw new AdapterError(`its tensor ${name}: ${issue?.path.join('.')}: ${issue?.message}`)
    }
    const {
      dtype,
      shape,
      data_offsets: [start, end],
    } = parsed.data
    const bytes = shape.reduce((product, count) => product * count, BYTES_PER_VALUE[dtype])
    if (end - start !== bytes || 8 + length + end > size) {
      throw new AdapterError(`its tensor ${name} does not lie within the file, which was cut short or damaged`)
    }
    tensors.set(name, parsed.data)
  }
  return {
    tensors,
    async read({ dtype, data_offsets: [start, end] }) {
      return toFloats(await readAt(file, 8 + length + start, end - start), dtype)
    },
    close: () => file.close(),
  }
}

function parseTable(bytes: Buffer): object {
  try {
    const table: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof table === 'object' && table !== null) return table
  } catch {
    // Said below, as for JSON of another kind.
  }
  throw new AdapterError('its file is not safetensors: the table is not a JSON object')
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.from(new ArrayBuffer(length))
  const { bytesRead } = await file.read(bytes, 0, length, position)
  if (bytesRead !== length) throw new AdapterError('its file was cut short')
  return bytes
}

function toFloats(bytes: Buffer, dtype: TensorInfo['dtype']): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes.buffer)
  const halves = new Uint16Array(bytes.buffer)
  if (dtype === 'F16') return Float32Array.from(halves, halfToFloat)
  // BF16 is the upper half of a float.
  const floats = new Float32Array(halves.length)
  new Uint32Array(floats.buffer).set(Uint32Array.from(halves, (half) => half * 65_536))
  return floats
}
