/** The sequence names fields as OpenAI does. A route with a shape of its own says here what its callers call them. */
import { AppError } from '../errors.ts'

/** By the first part of a path, as `messages` of `messages.0.content`. */
export type CallersWords = Readonly<Record<string, string>>

/** The same error about the caller's own field; about none where he has no such field. Anything else as it is. */
export function inCallersWords(thrown: unknown, words: CallersWords): unknown {
  if (!(thrown instanceof AppError) || thrown.param === undefined) return thrown
  const { param, ...rest } = thrown.toValue()
  const own = words[param?.split('.', 1)[0] ?? '']
  return new AppError(thrown.code, thrown.message, {
    ...rest,
    cause: thrown.cause,
    ...(own === undefined ? {} : { param: own }),
  })
}
