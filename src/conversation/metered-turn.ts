/** One span of the meter for one turn, from before its history is fitted to its end, however many times the model is asked for it. */
import type { Meter, MeterOutcome, MeterSpan, Principal, RequestNote } from '../chat/ports.ts'
import { toAppError } from '../errors.ts'

/** `run` gets the meter to give to `complete`, whose spans are parts of this one. Rejects with what `run` does, as an AppError. */
export async function meteredTurn<Result>(
  meter: Meter,
  call: { model: string; principal: Principal; note: RequestNote },
  run: (meter: Meter) => Promise<Result>,
): Promise<Result> {
  const span = meter.begin(call.model, call.principal, call.note)
  let last: MeterOutcome | undefined
  let costNano: number | undefined
  const end = (outcome: MeterOutcome) =>
    span.end({ ...outcome, ...(last?.usage ? { usage: last.usage } : {}) }, costNano)
  const part: MeterSpan = {
    waits: () => span.waits(),
    did: (step) => span.did?.(step),
    asks: (calls) => span.asks?.(calls),
    opened: (completion) => span.opened?.(completion),
    firstToken: () => span.firstToken(),
    end(outcome, cost) {
      last = outcome
      if (cost !== undefined) costNano = (costNano ?? 0) + cost
    },
  }
  try {
    const result = await run({ begin: () => part })
    end({ status: 'success' })
    return result
  } catch (thrown) {
    const error = toAppError(thrown)
    end({ status: 'error', code: error.code })
    throw error
  }
}
