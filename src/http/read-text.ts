/** The text of a request's body: counted while it is read, and UTF-8 as it must be. */
import { AppError } from '../errors.ts'
import { bodyBytesMax, bodyTooLarge } from './middleware/body-limit.ts'
import type { AppContext } from './route.ts'

/** RFC 9110 8.4: a coding that is not undone would be read as broken text. */
export function refuseCoding(encoding: string | undefined): void {
  const coding = encoding?.trim().toLowerCase() ?? ''
  if (coding === '' || coding === 'identity') return
  const named = /^[a-z][a-z-]{0,15}$/.test(coding) ? ` (${coding})` : ''
  throw new AppError('unsupported_media_type', `The body must not be compressed: no Content-Encoding${named} is read.`)
}

/** Throws body_too_large, caller_gone, or invalid_json for what is not UTF-8. */
export function readText(context: AppContext): Promise<string> {
  const kind = context.get('route')?.body
  if (!kind) throw new Error('A route that reads a body must declare it.')
  return readBounded(context.req.raw, bodyBytesMax(context, kind))
}

async function readBounded(request: Request, bytesMax: number): Promise<string> {
  // With a length the frame itself is bounded, and the platform reads it in one go.
  if (request.headers.has('content-length')) {
    const bytes = await unlessCut(request.arrayBuffer())
    if (bytes.byteLength > bytesMax) throw bodyTooLarge(bytesMax)
    return decoded(wholeUtf8, bytes)
  }
  if (!request.body) return ''
  const utf8 = strictUtf8()
  const reader = request.body.getReader()
  let text = ''
  let length = 0
  for (;;) {
    const { done, value } = await unlessCut(reader.read())
    if (done) return text + decoded(utf8)
    length += value.byteLength
    if (length > bytesMax) {
      await reader.cancel()
      throw bodyTooLarge(bytesMax)
    }
    text += decoded(utf8, value, { stream: true })
  }
}

/** For bodies that are all there: without `stream` a decoder remembers nothing, whatever it was given. */
const wholeUtf8 = strictUtf8()

/** RFC 8259 8.1: JSON is UTF-8. A decoder that mends would have the model read other words than were sent. */
function strictUtf8(): TextDecoder {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
}

function decoded(utf8: TextDecoder, ...piece: Parameters<TextDecoder['decode']>): string {
  try {
    return utf8.decode(...piece)
  } catch (cause) {
    throw new AppError('invalid_json', 'The body is not valid UTF-8.', { cause })
  }
}

/** A body that cannot be read is one whose caller stopped in the middle of it. */
async function unlessCut<Piece>(reading: Promise<Piece>): Promise<Piece> {
  try {
    return await reading
  } catch (cause) {
    throw new AppError('caller_gone', 'The body was cut.', { cause })
  }
}
