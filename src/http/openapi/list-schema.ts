/** A page of a list (src/http/page-query.ts). Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'

export function listOf<Item extends z.ZodMiniType>(item: Item) {
  return z.strictObject({
    object: z.literal('list'),
    data: z.array(item),
    has_more: z.boolean(),
    next: z.optional(z.string()),
  })
}
