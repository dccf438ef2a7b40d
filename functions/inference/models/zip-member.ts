/**
 * Takes one file out of a zip archive, streaming. A wheel is a zip; this is all of the format that it needs (stored or deflated members,
 * no zip64, no encryption), so no package is. Format: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createInflateRaw } from 'node:zlib'

const END_SIGNATURE = 0x06054b50
const END_BYTES = 22
/** The end record may be followed by a comment of 64 KiB. */
const END_SEARCH_BYTES = END_BYTES + 65_535
const ENTRY_SIGNATURE = 0x02014b50
const ENTRY_BYTES = 46
const LOCAL_BYTES = 30
const STORED = 0
const DEFLATED = 8
/** A wheel of a thousand files has a directory of 100 kB. */
const DIRECTORY_BYTES_MAX = 16 * 1_048_576

type Entry = { method: number; compressedBytes: number; localOffset: number }

/** Writes `member` to `target`, at most `bytesMax` of it. What is wrong with the archive comes back as a message. */
export async function extractZipMember(options: {
  archive: string
  member: string
  target: string
  bytesMax: number
  onBytes?: (done: number) => void
}): Promise<{ ok: true } | { ok: false; message: string }> {
  const { archive, member, target, bytesMax, onBytes } = options
  const handle = await open(archive, 'r')
  let start: number
  let entry: Entry | null
  try {
    entry = await findEntry(handle, member)
    if (!entry) return { ok: false, message: `the archive has no readable member ${member}` }
    const local = await readAt(handle, entry.localOffset, LOCAL_BYTES)
    if (!local) return { ok: false, message: 'the archive is cut short' }
    start = entry.localOffset + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28)
  } finally {
    await handle.close()
  }
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    return {
      ok: false,
      message: `${member} is packed by method ${entry.method}, and stored and deflated are understood`,
    }
  }
  let done = 0
  const bound = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length
      onBytes?.(done)
      next(done > bytesMax ? new Error(`${member} is longer than the expected ${bytesMax} bytes`) : null, chunk)
    },
  })
  const packed = createReadStream(archive, { start, end: start + entry.compressedBytes - 1 })
  const sink = createWriteStream(target)
  try {
    if (entry.method === DEFLATED) await pipeline(packed, createInflateRaw(), bound, sink)
    else await pipeline(packed, bound, sink)
    return { ok: true }
  } catch (error) {
    return {
      ok: false,
      message: `${member} cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

async function findEntry(handle: FileHandle, member: string): Promise<Entry | null> {
  const { size } = await handle.stat()
  const tailBytes = Math.min(size, END_SEARCH_BYTES)
  const tail = await readAt(handle, size - tailBytes, tailBytes)
  if (!tail) return null
  let end = tail.length - END_BYTES
  while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end--
  if (end < 0) return null
  const directoryBytes = tail.readUInt32LE(end + 12)
  if (directoryBytes > DIRECTORY_BYTES_MAX) return null
  const directory = await readAt(handle, tail.readUInt32LE(end + 16), directoryBytes)
  if (!directory) return null
  for (let at = 0; at + ENTRY_BYTES <= directory.length && directory.readUInt32LE(at) === ENTRY_SIGNATURE; ) {
    const nameBytes = directory.readUInt16LE(at + 28)
    const name = directory.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes)
    if (name === member) {
      return {
        method: directory.readUInt16LE(at + 10),
        compressedBytes: directory.readUInt32LE(at + 20),
        localOffset: directory.readUInt32LE(at + 42),
      }
    }
    at += ENTRY_BYTES + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32)
  }
  return null
}

/** null where the file is shorter. */
async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer | null> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await handle.read(bytes, 0, length, offset)
  return bytesRead === length ? bytes : null
}
