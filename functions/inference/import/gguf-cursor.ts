/** Reads little-endian values one after the other from a file, through one buffer. Throws GgufError where the file is not what it says. */
import type { FileHandle } from 'node:fs/promises'

/** What is wrong with a GGUF file, as the end of a sentence about that file. Caught at the importer's edge and turned into a value. */
export class GgufError extends Error {}

/** A header is read in pieces of this many bytes; that of a vocabulary of 50,000 has 1.8 MB. */
const PIECE_BYTES = 1_048_576

export class ByteCursor {
  readonly #handle: FileHandle
  readonly #size: number
  #buffer = Buffer.alloc(0)
  /** File offset of the buffer's first byte. */
  #start = 0
  #index = 0

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle
    this.#size = size
  }

  /** The file offset of the next byte. */
  get position(): number {
    return this.#start + this.#index
  }

  u32(): number | Promise<number> {
    return this.#fixed(4, (buffer, at) => buffer.readUInt32LE(at))
  }

  /** A 64-bit count, at most `max`; `what` names it in the error. */
  async count(max: number, what: string): Promise<number> {
    const value = await this.#fixed(8, (buffer, at) => buffer.readBigUInt64LE(at))
    if (value > BigInt(max)) throw new GgufError(`it claims ${value} ${what}, and the limit is ${max}`)
    return Number(value)
  }

  async text(bytesMax: number): Promise<string> {
    const length = await this.count(bytesMax, 'bytes in a string')
    return this.#fixed(length, (buffer, at) => buffer.toString('utf8', at, at + length))
  }

  /** A number or a boolean of one of GGUF's value types. */
  scalar(type: number): number | boolean | Promise<number | boolean> {
    const reader = SCALARS[type]
    if (!reader) throw new GgufError(`it has a metadata value of the unknown type ${type}`)
    return this.#fixed(reader.bytes, reader.read)
  }

  /** Without a promise where the bytes are at hand: a vocabulary is 150,000 values. */
  #fixed<T>(length: number, read: (buffer: Buffer, at: number) => T): T | Promise<T> {
    if (this.#index + length > this.#buffer.length) return this.#refill(length).then(() => this.#take(length, read))
    return this.#take(length, read)
  }

  #take<T>(length: number, read: (buffer: Buffer, at: number) => T): T {
    const at = this.#index
    this.#index += length
    return read(this.#buffer, at)
  }

  async #refill(needed: number): Promise<void> {
    const position = this.position
    const left = this.#size - position
    if (needed > left)
      throw new GgufError(`it ends at byte ${this.#size}, in the middle of its header: it was cut short`)
    const length = Math.min(left, Math.max(needed, PIECE_BYTES))
    const buffer = Buffer.allocUnsafe(length)
    const { bytesRead } = await this.#handle.read(buffer, 0, length, position)
    if (bytesRead !== length) throw new GgufError('it became shorter while it was read')
    this.#buffer = buffer
    this.#start = position
    this.#index = 0
  }
}

type Scalar = { bytes: number; read: (buffer: Buffer, at: number) => number | boolean }

/** GGUF's value type numbers. 64-bit integers become doubles: no key that is used here passes 2^53. */
const SCALARS: Record<number, Scalar> = {
  0: { bytes: 1, read: (buffer, at) => buffer.readUInt8(at) },
  1: { bytes: 1, read: (buffer, at) => buffer.readInt8(at) },
  2: { bytes: 2, read: (buffer, at) => buffer.readUInt16LE(at) },
  3: { bytes: 2, read: (buffer, at) => buffer.readInt16LE(at) },
  4: { bytes: 4, read: (buffer, at) => buffer.readUInt32LE(at) },
  5: { bytes: 4, read: (buffer, at) => buffer.readInt32LE(at) },
  6: { bytes: 4, read: (buffer, at) => buffer.readFloatLE(at) },
  7: { bytes: 1, read: (buffer, at) => buffer.readUInt8(at) !== 0 },
  10: { bytes: 8, read: (buffer, at) => Number(buffer.readBigUInt64LE(at)) },
  11: { bytes: 8, read: (buffer, at) => Number(buffer.readBigInt64LE(at)) },
  12: { bytes: 8, read: (buffer, at) => buffer.readDoubleLE(at) },
}
