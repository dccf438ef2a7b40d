/** The step that asks whether the caller may have an answer: limits and budget at the same time, both or neither. */
import type { Usage } from '../contract/chat-completion.ts'
import type { Admission, Admitted, Budgets, Covered, Demand, Progress, Reservation } from './ports.ts'

/** What is held for one answer until it ends. */
export type Held = {
  /** As of Reservation. */
  cover(progress: Progress): true | Promise<Covered>
  /** Once. Undefined when nothing was generated. Returns what was charged, as of Reservation. */
  end(usage: Usage | undefined): number | undefined
  /** The answer never began. */
  release(): void
}

type Outcome<Value> = { ok: true; value: Value } | { ok: false; thrown: unknown }

/** Throws or rejects with rate_limited or insufficient_quota, and then holds nothing. Synchronous on the usual request, as both ports are. */
export function admit(ports: { admission: Admission; budgets: Budgets }, demand: Demand): Held | Promise<Held> {
  // Each is asked whatever the other says, so that both are heard.
  const entering = outcomeOf(() => ports.admission.enter(demand))
  const reserving = outcomeOf(() => ports.budgets.reserve(demand))
  if (entering instanceof Promise || reserving instanceof Promise) {
    return Promise.all([entering, reserving]).then(([entered, reserved]) => heldOf(entered, reserved))
  }
  return heldOf(entering, reserving)
}

function heldOf(entered: Outcome<Admitted>, reserved: Outcome<Reservation>): Held {
  if (!entered.ok) {
    if (reserved.ok) reserved.value.settle(undefined)
    throw entered.thrown
  }
  if (!reserved.ok) {
    entered.value.leave(undefined)
    throw reserved.thrown
  }
  const end = (usage: Usage | undefined) => {
    entered.value.leave(usage)
    return reserved.value.settle(usage)
  }
  return { cover: (progress) => reserved.value.cover(progress), end, release: () => void end(undefined) }
}

/** Never throws or rejects: what is asked may do either. */
function outcomeOf<Value>(ask: () => Value | Promise<Value>): Outcome<Value> | Promise<Outcome<Value>> {
  try {
    const value = ask()
    if (!(value instanceof Promise)) return { ok: true, value }
    return value.then(
      (value): Outcome<Value> => ({ ok: true, value }),
      (thrown: unknown) => ({ ok: false, thrown }),
    )
  } catch (thrown) {
    return { ok: false, thrown }
  }
}
