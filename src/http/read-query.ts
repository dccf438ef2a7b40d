/** The query string of a request, checked against the route's schema. A name that is given twice, or is not known, is a mistake. */
import * as z from 'zod/mini'
import { AppError } from '../errors.ts'
import { invalidRequest } from './invalid-request.ts'
import type { AppContext } from './route.ts'

/** Throws invalid_request with the name of the parameter. */
export function readQuery<Schema extends z.ZodMiniType>(context: AppContext, schema: Schema): z.output<Schema> {
  const query: Record<string, string> = {}
  for (const [name, [value = '', ...more]] of Object.entries(context.req.queries())) {
    if (more.length > 0)
      throw new AppError('invalid_request', `${name.slice(0, 64)} must be given once.`, { param: name })
    query[name] = value
  }
  const parsed = schema.safeParse(query)
  if (!parsed.success) throw invalidRequest(parsed.error.issues, query)
  return parsed.data
}

const NOTHING = z.strictObject({})

/** For routes whose query says nothing: what is written there and has no effect is a mistake, too. */
export function refuseQuery(context: AppContext): void {
  readQuery(context, NOTHING)
}
