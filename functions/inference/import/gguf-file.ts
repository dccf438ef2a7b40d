/**
 * Reads a GGUF file's header: metadata and where each tensor lies. Weights are read later, in pieces, by who needs them.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
 * Every length in the file is checked against the file's size before it is believed: a hostile or cut file gives an error value, never a large allocation.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { GGML_TYPES, type GgmlType } from './ggml-types.ts'
import { ByteCursor, GgufError } from './gguf-cursor.ts'

export type GgufValue = string | number | boolean | readonly GgufValue[]

export type GgufTensor = {
  name: string
  type: GgmlType
  /** Elements per row; rows are contiguous. */
  columns: number
  /** 1 for a vector. */
  rows: number
  /** From the start of the file, in bytes. */
  offset: number
  byteLength: number
}

export type GgufFile = {
  path: string
  metadata: ReadonlyMap<string, GgufValue>
  tensors: ReadonlyMap<string, GgufTensor>
  /** Reads `length` bytes at `offset`; throws GgufError if the file is shorter than it was when it was opened. */
  read(offset: number, length: number): Promise<Buffer>
  close(): Promise<void>
}

/** The largest published models have about 2,000 tensors and 60 keys. */
const TENSORS_MAX = 65_536
const KEYS_MAX = 65_536
const NAME_BYTES_MAX = 1_024
/** A chat template is the longest string and rarely passes 20 kB. */
const STRING_BYTES_MAX = 4 * 1_048_576
/** Vocabularies reach 260,000 entries, merges 500,000. */
const ARRAY_ITEMS_MAX = 4_194_304
const ARRAY_DEPTH_MAX = 2

/** Opens and checks a GGUF file. The error is for people: it names the file and what is wrong with it. */
export async function openGguf(path: string): Promise<{ ok: true; file: GgufFile } | { ok: false; message: string }> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    return { ok: false, message: `${path} cannot be opened: ${reasonOf(error)}` }
  }
  try {
    return { ok: true, file: await parse(path, handle) }
  } catch (error) {
    await handle.close()
    if (error instanceof GgufError) return { ok: false, message: `${path} is not a usable GGUF file: ${error.message}` }
    return { ok: false, message: `${path} cannot be read: ${reasonOf(error)}` }
  }
}

async function parse(path: string, handle: FileHandle): Promise<GgufFile> {
  const { size } = await handle.stat()
  const cursor = new ByteCursor(handle, size)
  if ((await cursor.u32()) !== 0x46554747) throw new GgufError('it does not start with the letters GGUF')
  const version = await cursor.u32()
  if (version !== 2 && version !== 3)
    throw new GgufError(`its version is ${version}, and versions 2 and 3 are understood`)
  const tensorCount = await cursor.count(TENSORS_MAX, 'tensors')
  const keyCount = await cursor.count(KEYS_MAX, 'metadata keys')
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < keyCount; i++) {
    const key = await cursor.text(NAME_BYTES_MAX)
    metadata.set(key, await readValue(cursor, await cursor.u32(), 0))
  }
  const infos: { name: string; type: GgmlType; columns: number; rows: number; offset: number }[] = []
  for (let i = 0; i < tensorCount; i++) infos.push(await readTensorInfo(cursor))
  const alignment = metadata.get('general.alignment') ?? 32
  if (typeof alignment !== 'number' || !Number.isInteger(alignment) || alignment < 1 || alignment > 1_048_576) {
    throw new GgufError('its alignment is out of range')
  }
  const base = Math.ceil(cursor.position / alignment) * alignment
  const tensors = new Map<string, GgufTensor>()
  for (const info of infos) {
    const { blockElements, blockBytes } = GGML_TYPES[info.type]
    const byteLength = ((info.columns * info.rows) / blockElements) * blockBytes
    const offset = base + info.offset
    if (info.columns % blockElements !== 0)
      throw new GgufError(`the rows of ${info.name} are no whole number of blocks`)
    if (offset + byteLength > size) {
      throw new GgufError(
        `it ends at byte ${size}, but ${info.name} reaches byte ${offset + byteLength}: it was cut short`,
      )
    }
    if (tensors.has(info.name)) throw new GgufError(`${info.name} occurs twice`)
    tensors.set(info.name, { ...info, offset, byteLength })
  }
  return {
    path,
    metadata,
    tensors,
    async read(offset, length) {
      const bytes = Buffer.allocUnsafe(length)
      const { bytesRead } = await handle.read(bytes, 0, length, offset)
      if (bytesRead !== length) throw new GgufError('it became shorter while it was read')
      return bytes
    },
    close: () => handle.close(),
  }
}

async function readTensorInfo(cursor: ByteCursor) {
  const name = await cursor.text(NAME_BYTES_MAX)
  const dimensions = await cursor.u32()
  if (dimensions < 1 || dimensions > 2) {
    throw new GgufError(`${name} has ${dimensions} dimensions, and tensors of 1 and 2 are understood`)
  }
  const columns = await cursor.count(2 ** 31, `columns in ${name}`)
  const rows = dimensions === 2 ? await cursor.count(2 ** 31, `rows in ${name}`) : 1
  const typeId = await cursor.u32()
  const offset = await cursor.count(Number.MAX_SAFE_INTEGER, `bytes before ${name}`)
  const type = (Object.keys(GGML_TYPES) as GgmlType[]).find((key) => GGML_TYPES[key].id === typeId)
  if (!type) {
    const known = Object.keys(GGML_TYPES).join(', ')
    throw new GgufError(`${name} is of ggml type ${typeId}, and the types that can be imported are ${known}`)
  }
  return { name, type, columns, rows, offset }
}

async function readValue(cursor: ByteCursor, type: number, depth: number): Promise<GgufValue> {
  if (type === 8) return cursor.text(STRING_BYTES_MAX)
  if (type !== 9) return cursor.scalar(type)
  if (depth >= ARRAY_DEPTH_MAX) throw new GgufError('a metadata array is nested too deep')
  const itemType = await cursor.u32()
  const length = await cursor.count(ARRAY_ITEMS_MAX, 'items in an array')
  const items: GgufValue[] = []
  for (let i = 0; i < length; i++) items.push(await readValue(cursor, itemType, depth + 1))
  return items
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
