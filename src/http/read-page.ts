/** The query of a list, as OpenAI's: `limit`, and `after`, the id of the last object that the caller has. */
import * as z from 'zod/mini'
import { AppError } from '../errors.ts'
import type { Page, PageRequest } from './ports.ts'
import type { AppContext } from './route.ts'

const LIMIT_DEFAULT = 20
const LIMIT_MAX = 100
const LIMIT = /^[1-9][0-9]{0,2}$/

/** Throws invalid_request. `after` says what an id looks like; the sentence begins with "must". */
export function readPage(context: AppContext, after: z.ZodMiniType<string>): PageRequest {
  const limit = context.req.query('limit')
  if (limit !== undefined && !(LIMIT.test(limit) && Number(limit) <= LIMIT_MAX)) {
    throw new AppError('invalid_request', `limit must be a whole number from 1 to ${LIMIT_MAX}.`, { param: 'limit' })
  }
  return {
    limit: limit === undefined ? LIMIT_DEFAULT : Number(limit),
    ...givenAfter(context.req.query('after'), after),
  }
}

function givenAfter(text: string | undefined, schema: z.ZodMiniType<string>): { after?: string } {
  if (text === undefined) return {}
  const parsed = z.safeParse(schema, text)
  if (!parsed.success)
    throw new AppError('invalid_request', 'after must be the id of an object of the list.', { param: 'after' })
  return { after: parsed.data }
}

/** OpenAI's envelope. `next` is what to send as `after`. */
export function listObject<Item>(
  page: Page<Item>,
  shown: (item: Item) => object,
  idOf: (item: Item) => string,
): object {
  const last = page.data.at(-1)
  return {
    object: 'list',
    data: page.data.map(shown),
    has_more: page.hasMore,
    ...(page.hasMore && last !== undefined ? { next: idOf(last) } : {}),
  }
}
