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
  const type = context.req.header('content-type')
  // A body without a type is taken for what it must be: curl -d and hand-written clients forget it.
  if (type !== undefined && !isJson(type)) {
    throw new AppError('unsupported_media_type', 'The body must be sent as application/json.')
  }
  const text = await readText(context.req.raw, bodyBytesMax(context, kind))
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The engine's message quotes the body.
    throw new AppError('invalid_json', text === '' ? 'The body is empty.' : 'The body is not valid JSON.')
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw invalidRequest(parsed.error.issues)
  return parsed.data
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
    const bytes = await readWhole(request)
    if (bytes.byteLength > bytesMax) throw bodyTooLarge(bytesMax)
    return decoded(strictUtf8(), bytes)
  }
  const utf8 = strictUtf8()
  const reader = request.body.getReader()
  let text = ''
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
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

async function readWhole(request: Request): Promise<ArrayBuffer> {
  try {
    return await request.arrayBuffer()
  } catch (cause) {
    // The caller stopped in the middle of the body.
    throw new AppError('caller_gone', 'The body was cut.', { cause })
  }
}
