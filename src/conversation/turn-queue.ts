/** One turn after the other, in the order in which they came; a bounded number wait. Lives in the object's memory. */

/** A person does not send nine turns ahead of the answers; a program that does must hear of it. */
export const TURNS_WAITING_MAX = 8

export type TurnQueue = {
  /** Runs `job` when all before it have settled. Undefined, and `job` is not kept, when as many wait as may. */
  run<Result>(job: () => Promise<Result>): Promise<Result> | undefined
  /** Whether a job runs or waits. */
  busy(): boolean
}

export function turnQueue(waitingMax: number = TURNS_WAITING_MAX): TurnQueue {
  let unsettled = 0
  let last: Promise<unknown> = Promise.resolve()

  return {
    run(job) {
      const running = 1
      if (unsettled >= running + waitingMax) return undefined
      unsettled += 1
      const result = last.then(job).finally(() => {
        unsettled -= 1
      })
      // The next job waits for this one to settle, however it does; who asked for this one hears how.
      last = result.catch(() => undefined)
      return result
    },

    busy: () => unsettled > 0,
  }
}
