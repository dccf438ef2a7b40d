/** Two who are told of every completion, as one. */
import type { Meter } from './ports.ts'

export function bothMeters(first: Meter, second: Meter): Meter {
  return {
    begin(alias, principal, note) {
      const [one, other] = [first.begin(alias, principal, note), second.begin(alias, principal, note)]
      return {
        waits() {
          one.waits()
          other.waits()
        },
        did(step) {
          one.did?.(step)
          other.did?.(step)
        },
        asks(calls) {
          one.asks?.(calls)
          other.asks?.(calls)
        },
        opened(completion) {
          one.opened?.(completion)
          other.opened?.(completion)
        },
        firstToken() {
          one.firstToken()
          other.firstToken()
        },
        end(outcome, costNano) {
          one.end(outcome, costNano)
          other.end(outcome, costNano)
        },
      }
    },
  }
}
