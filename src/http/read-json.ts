/** The body of a request: counted while it is read, parsed once, checked against the route's schema. */
import type * as z from 'zod/mini'
import { AppError } from '../errors.ts'
import { invalidRequest } from './invalid-request.ts'
import { bodyBytesMax, bodyTooLarge } from './middleware/body-limit.ts'
import type { AppContext } from './route.ts'

/** Throws body_too_large, unsupported_media_type, invalid_json or invalid_request, the last with the path of the field. */
export async function readJson<Schema extends z.ZodMiniType>(
  context: AppContext,
  schema: Schema,
): Promise<z.output<Schema>> {
  const kind = context.get('route')?.body
  if (!kind) throw new Error('A route that reads a body must declare it.')
  refuseOtherMedia(context.req.header('content-type'), context.req.header('content-encoding'))
  const text = await readText(context.req.raw, bodyBytesMax(context, kind))
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The engine's message quotes the body.
    throw new AppError('invalid_json', text === '' ? 'The body is empty.' : 'The body is not valid JSON.')
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw invalidRequest(parsed.error.issues, value)
  return parsed.data
}

/** What is declared as JSON in UTF-8, as it is, or not declared at all: curl -d and hand-written clients forget it. */
function refuseOtherMedia(type: string | undefined, encoding: string | undefined): void {
  if (type !== undefined && !isJson(type)) {
    throw new AppError('unsupported_media_type', 'The body must be sent as application/json.')
  }
  if (type !== undefined && !isUtf8(type)) {
    throw new AppError('unsupported_media_type', 'The body must be sent in UTF-8, as JSON is (charset=utf-8).')
  }
  // RFC 9110 8.4: a coding that is not undone would be read as broken text.
  const coding = encoding?.trim().toLowerCase() ?? ''
  if (coding !== '' && coding !== 'identity') {
    const named = /^[a-z][a-z-]{0,15}$/.test(coding) ? ` (${coding})` : ''
    throw new AppError(
      'unsupported_media_type',
      `The body must not be compressed: no Content-Encoding${named} is read.`,
    )
  }
}

/** RFC 8259 11 gives JSON no charset; clients send one nevertheless. ASCII is a part of UTF-8. */
function isUtf8(contentType: string): boolean {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(contentType)?.[1]?.toLowerCase()
  return charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii'
}

/** `curl -d` without a header says the second; no form could be valid JSON with the shape that a route asks for. */
function isJson(contentType: string): boolean {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  return type === 'application/json' || type === 'application/x-www-form-urlencoded' || type.endsWith('+json')
}

async function readText(request: Request, bytesMax: number): Promise<string> {
  if (!request.body) return ''
  // With a length the frame itself is bounded, and the platform reads it in one go.
  if (request.headers.has('content-length')) {
    const bytes = await unlessCut(request.arrayBuffer())
    if (bytes.byteLength > bytesMax) throw bodyTooLarge(bytesMax)
    return decoded(strictUtf8(), bytes)
  }
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
