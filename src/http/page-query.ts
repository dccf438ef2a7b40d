/** Every list is asked for and answered the same way, as OpenAI's: `limit` and `after`, and `has_more` and `next`. */
import * as z from 'zod/mini'
import type { Page } from './ports.ts'

const LIMIT_DEFAULT = '20'
const LIMIT = /^([1-9][0-9]?|100)$/

const limitSchema = z._default(z.string().check(z.regex(LIMIT, 'must be a whole number from 1 to 100')), LIMIT_DEFAULT)
/** Of a list that has groups instead of pages. */
export const limitField = { limit: z.pipe(limitSchema, z.transform(Number)) }

/** The fields of a list's query. `after` says what a `next` of this list looks like. */
export function pageFields(after: z.ZodMiniType<string>) {
  const isNext = z.refine((text: unknown) => after.safeParse(text).success, 'must be a `next` of this list')
  return { ...limitField, after: z.optional(z.string().check(isNext)) }
}

/** OpenAI's envelope. `next` is what to send as `after`. */
export function listObject<Item>(
  page: Page<Item>,
  shown: (item: Item) => object,
  nextOf: (item: Item) => string,
): object {
  const last = page.data.at(-1)
  return {
    object: 'list',
    data: page.data.map(shown),
    has_more: page.hasMore,
    ...(page.hasMore && last !== undefined ? { next: nextOf(last) } : {}),
  }
}
