/** The step that asks whether the caller may have an answer: limits and budget at the same time, both or neither. */
import type { Usage } from '../contract/chat-completion.ts'
import type { Admission, Budgets, Covered, Demand, Progress } from './ports.ts'

/** What is held for one answer until it ends. */
export type Held = {
  /** As of Reservation. */
  cover(progress: Progress): true | Promise<Covered>
  /** Once. Undefined when nothing was generated. Returns what was charged, as of Reservation. */
  end(usage: Usage | undefined): number | undefined
  /** The answer never began. */
  release(): void
}

/** Rejects with rate_limited or insufficient_quota, and then holds nothing. */
export async function admit(ports: { admission: Admission; budgets: Budgets }, demand: Demand): Promise<Held> {
  // `enter` and `reserve` may throw where they stand: `attempted` makes a rejection of it, so that both are heard.
  const [entering, reserving] = [
    attempted(() => ports.admission.enter(demand)),
    attempted(() => ports.budgets.reserve(demand)),
  ]
  const [entered, reserved] = await Promise.allSettled([entering, reserving])
  if (entered.status === 'rejected' || reserved.status === 'rejected') {
    if (entered.status === 'fulfilled') entered.value.leave(undefined)
    if (reserved.status === 'fulfilled') reserved.value.settle(undefined)
    throw entered.status === 'rejected' ? entered.reason : (reserved as PromiseRejectedResult).reason
  }
  const end = (usage: Usage | undefined) => {
    entered.value.leave(usage)
    return reserved.value.settle(usage)
  }
  return { cover: (progress) => reserved.value.cover(progress), end, release: () => void end(undefined) }
}

async function attempted<Value>(step: () => Value | Promise<Value>): Promise<Value> {
  return step()
}
