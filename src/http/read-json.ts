/** The body of a request: counted while it is read, parsed once, checked against the route's schema. */
import type * as z from 'zod/mini'
import { AppError } from '../errors.ts'
import { invalidRequest } from './invalid-request.ts'
import { readText, refuseCoding } from './read-text.ts'
import type { AppContext } from './route.ts'

/**
 * Throws body_too_large, unsupported_media_type, invalid_json or invalid_request, the last with the path of the field. `whenEmpty` is what
 * an empty body means, where there may be none.
 */
export async function readJson<Schema extends z.ZodMiniType>(
  context: AppContext,
  schema: Schema,
  whenEmpty?: z.input<Schema>,
): Promise<z.output<Schema>> {
  refuseOtherMedia(context.req.header('content-type'), context.req.header('content-encoding'))
  const text = await readText(context)
  let value: unknown
  try {
    value = text === '' && whenEmpty !== undefined ? whenEmpty : JSON.parse(text)
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
  refuseCoding(encoding)
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
