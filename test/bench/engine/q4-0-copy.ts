/**
 * The Q4_1 file as Q4_0, llama.cpp's fastest format: the same tensors with the minimums rounded away. Only its speed is compared;
 * kernels do not look at values.
 */
import { existsSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type GgufFile, type GgufTensor, openGguf } from '../../../functions/inference/import/gguf-file.ts'
import { halfToFloat } from '../../../functions/inference/import/half-float.ts'
import { cacheFolder } from '../peers/cache-folder.ts'

const BLOCK_ELEMENTS = 32
const Q4_0 = { id: 2, blockBytes: 18 }
const Q4_1 = { blockBytes: 20 }
/** The format's default; the file in question does not say otherwise. */
const ALIGNMENT = 32

/** Makes the copy on first use, in the cache; resolves to its path. */
export async function q40Copy(ggufPath: string, sha256: string): Promise<string> {
  const path = join(cacheFolder('gguf'), `${sha256.slice(0, 12)}-Q4_0.gguf`)
  if (existsSync(path)) return path
  const opened = await openGguf(ggufPath)
  if (!opened.ok) throw new Error(opened.message)
  const { file } = opened
  const unfinished = `${path}.${process.pid}`
  const out = await open(unfinished, 'w')
  try {
    const tensors = [...file.tensors.values()].sort((a, b) => a.offset - b.offset)
    const dataStart = tensors[0]?.offset ?? 0
    const header = await file.read(0, dataStart)
    let end = dataStart
    for (const tensor of tensors) {
      const bytes = await convert(file, tensor)
      describe(header, tensor, end - dataStart)
      await out.write(bytes, 0, bytes.length, end)
      end = Math.ceil((end + bytes.length) / ALIGNMENT) * ALIGNMENT
    }
    await out.write(header, 0, header.length, 0)
    await out.truncate(end)
  } finally {
    await Promise.all([out.close(), file.close()])
  }
  await rename(unfinished, path)
  return path
}

async function convert(file: GgufFile, tensor: GgufTensor): Promise<Buffer> {
  const source = await file.read(tensor.offset, tensor.byteLength)
  if (tensor.type !== 'Q4_1') return source
  const blocks = source.length / Q4_1.blockBytes
  const out = Buffer.alloc(blocks * Q4_0.blockBytes)
  for (let block = 0; block < blocks; block++) {
    writeBlock(out, block * Q4_0.blockBytes, readBlock(source, block * Q4_1.blockBytes))
  }
  return out
}

/** Elements i and i + 16 share a byte. */
function readBlock(source: Buffer, at: number): Float32Array {
  const scale = halfToFloat(source.readUInt16LE(at))
  const minimum = halfToFloat(source.readUInt16LE(at + 2))
  return Float32Array.from({ length: BLOCK_ELEMENTS }, (_, i) => {
    const byte = source[at + 4 + (i % 16)] ?? 0
    return (i < 16 ? byte & 15 : byte >> 4) * scale + minimum
  })
}

/** The value of the largest size becomes -8 times the scale, as in ggml's quantize_row_q4_0. */
function writeBlock(out: Buffer, at: number, values: Float32Array): void {
  const largest = values.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0)
  const scale = largest / -8
  out.writeUInt16LE(new Uint16Array(Float16Array.of(scale).buffer)[0] ?? 0, at)
  const quantised = (value: number) => (scale === 0 ? 8 : Math.min(15, Math.floor(value / scale + 8.5)))
  for (let i = 0; i < 16; i++) {
    out[at + 2 + i] = quantised(values[i] ?? 0) | (quantised(values[i + 16] ?? 0) << 4)
  }
}

/** Rewrites a tensor's type and offset in the header: name, number of dimensions, dimensions, type, offset. */
function describe(header: Buffer, { name, type, rows }: GgufTensor, offset: number): void {
  const key = Buffer.alloc(8 + Buffer.byteLength(name))
  key.writeBigUInt64LE(BigInt(Buffer.byteLength(name)))
  key.write(name, 8)
  const at = header.lastIndexOf(key)
  if (at < 0) throw new Error(`The header does not name ${name}.`)
  const dimensions = header.readUInt32LE(at + key.length)
  if (dimensions !== (rows > 1 ? 2 : 1)) throw new Error(`${name} has ${dimensions} dimensions.`)
  const typeAt = at + key.length + 4 + dimensions * 8
  if (type === 'Q4_1') header.writeUInt32LE(Q4_0.id, typeAt)
  header.writeBigUInt64LE(BigInt(offset), typeAt + 4)
}
