/**
 * A bound on waiting for D1 and for objects, and a failure of theirs as an answer that says so: their own text names tables and may hold
 * values. The call itself cannot be cancelled: a write that came too late may still be done.
 */
import { AppError } from './errors.ts'

const TIMEOUT_MS = 5_000

/** What is no failure of the store, an AppError, passes. */
export async function whileStoreAnswers<Value>(asked: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${TIMEOUT_MS} ms.`)), TIMEOUT_MS)
  })
  try {
    return await Promise.race([asked, late])
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw new AppError(
      'store_unavailable',
      'The store does not answer. Look whether it was done, then send it again.',
      {
        cause,
      },
    )
  } finally {
    clearTimeout(timer)
  }
}

/** The same store, each of whose calls is bounded so. Not for what `directory.remember` loads: that has its own rules. */
export function answeringStore<Store extends Record<string, (...args: never[]) => Promise<unknown>>>(
  store: Store,
): Store {
  const bounded = Object.entries(store).map(([name, call]) => [
    name,
    (...args: never[]) => whileStoreAnswers(call(...args)),
  ])
  // Sound: each call is replaced by one that takes and gives the same.
  return Object.fromEntries(bounded) as Store
}
