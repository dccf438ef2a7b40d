/** What a caller hears when D1 fails under an admin route: closed, 503, and the reason only in the log. */
import { AppError } from '../errors.ts'

/** The same methods, whose unexpected failures are store_unavailable. What went wrong in between may or may not be stored. */
export function orUnavailable<Methods extends Record<string, (...args: never[]) => Promise<unknown>>>(
  methods: Methods,
): Methods {
  const guarded = Object.entries(methods).map(([name, method]) => [
    name,
    (...args: never[]) =>
      method(...args).catch((cause: unknown) => {
        if (cause instanceof AppError) throw cause
        throw new AppError(
          'store_unavailable',
          'The store does not answer. Look whether it was done, then send it again.',
          {
            cause,
          },
        )
      }),
  ])
  // Sound: each method is replaced by one that takes and gives the same.
  return Object.fromEntries(guarded) as Methods
}
