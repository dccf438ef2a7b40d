/** A failure of D1 is an answer that says so: its own text names tables and may hold values. */
import { AppError } from '../errors.ts'

export async function whileStoreAnswers<Value>(asked: Promise<Value>): Promise<Value> {
  try {
    return await asked
  } catch (cause) {
    throw new AppError('store_unavailable', 'The store of users does not answer. Try again.', { cause })
  }
}
