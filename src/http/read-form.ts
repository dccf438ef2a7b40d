/** A body of `application/x-www-form-urlencoded`, as RFC 6749 4.3.2 has it, checked against the route's schema. */
import type * as z from 'zod/mini'
import { AppError } from '../errors.ts'
import { invalidRequest } from './invalid-request.ts'
import { readText, refuseCoding } from './read-text.ts'
import type { AppContext } from './route.ts'

/** Throws body_too_large, unsupported_media_type or invalid_request. */
export async function readForm<Schema extends z.ZodMiniType>(
  context: AppContext,
  schema: Schema,
): Promise<z.output<Schema>> {
  const type = context.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') {
    throw new AppError('unsupported_media_type', 'The body must be sent as application/x-www-form-urlencoded.')
  }
  refuseCoding(context.req.header('content-encoding'))
  return parseFields(new URLSearchParams(await readText(context)), schema)
}

/** RFC 6749 3.2: an empty parameter is one that is left out, and none may come twice. */
function parseFields<Schema extends z.ZodMiniType>(given: URLSearchParams, schema: Schema): z.output<Schema> {
  const fields: Record<string, string> = Object.create(null)
  for (const [name, value] of given) {
    if (value === '') continue
    if (Object.hasOwn(fields, name)) {
      throw new AppError('invalid_request', 'A parameter is given twice.', { param: name.slice(0, 64) })
    }
    fields[name] = value
  }
  const parsed = schema.safeParse({ ...fields })
  if (!parsed.success) throw invalidRequest(parsed.error.issues, fields)
  return parsed.data
}
