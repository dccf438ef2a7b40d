/** A bound on waiting. The work itself goes on: D1 and RPC calls cannot be cancelled. */

/** Calls once after so many milliseconds, unless the function it returns is called before. */
export type SetTimer = (ms: number, call: () => void) => () => void

/** Settles as `work` does, or rejects when that takes longer than `ms`. */
export function within<Value>(setTimer: SetTimer, ms: number, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const cancel = setTimer(ms, () => reject(new Error(`No answer within ${ms} ms.`)))
    work.then(resolve, reject).finally(cancel)
  })
}
