/**
 * One message of `application/vnd.amazon.eventstream`: lengths, their checksum, headers, payload, checksum of all. Written apart from the
 * client's decoder.
 */
import { crc32 } from 'node:zlib'

const STRING = 7

export type FrameKind =
  | { message: 'event'; type: string }
  | { message: 'exception'; type: string }
  /** What no model of the service describes. */
  | { message: 'error'; code: string }

export function eventStreamFrame(kind: FrameKind, payload: Uint8Array): Buffer {
  const headers = Buffer.concat(
    Object.entries(headersOf(kind)).map(([name, value]) => {
      const size = Buffer.alloc(2)
      size.writeUInt16BE(Buffer.byteLength(value))
      return Buffer.concat([
        Buffer.from([name.length]),
        Buffer.from(name),
        Buffer.from([STRING]),
        size,
        Buffer.from(value),
      ])
    }),
  )
  const frame = Buffer.alloc(12 + headers.length + payload.length + 4)
  frame.writeUInt32BE(frame.length, 0)
  frame.writeUInt32BE(headers.length, 4)
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8)
  headers.copy(frame, 12)
  frame.set(payload, 12 + headers.length)
  frame.writeUInt32BE(crc32(frame.subarray(0, -4)), frame.length - 4)
  return frame
}

function headersOf(kind: FrameKind): Record<string, string> {
  if (kind.message === 'event') {
    return { ':event-type': kind.type, ':content-type': 'application/octet-stream', ':message-type': 'event' }
  }
  if (kind.message === 'exception') {
    return { ':exception-type': kind.type, ':content-type': 'application/json', ':message-type': 'exception' }
  }
  return { ':error-code': kind.code, ':error-message': 'Something.', ':message-type': 'error' }
}
