/** A time in a query. */
import * as z from 'zod/mini'

/** Seconds since 1970 as callers write it; milliseconds once it is parsed. */
export const momentSchema = z.pipe(
  z.string().check(z.regex(/^\d{1,12}$/, 'must be a time in seconds since 1970, as 1764000000')),
  z.transform((text: string) => Number(text) * 1_000),
)
