/** One span of the meter for one turn, from before its history is fitted to its end, however many times the model is asked for it. */
import type { Meter, MeterSpan, Principal } from '../chat/ports.ts'
import { toAppError } from '../errors.ts'

type Outcome = Parameters<MeterSpan['end']>[0]

/** `run` gets the meter to give to `complete`, whose spans are parts of this one. Rejects with what `run` does, as an AppError. */
export async function meteredTurn<Result>(
  meter: Meter,
  call: { model: string; principal: Principal },
  run: (meter: Meter) => Promise<Result>,
): Promise<Result> {
  const span = meter.begin(call.model, call.principal)
  let last: Outcome | undefined
  const end = (outcome: Outcome) => span.end({ ...outcome, ...(last?.usage ? { usage: last.usage } : {}) })
  const part: MeterSpan = {
    waits: () => span.waits(),
    firstToken: () => span.firstToken(),
    end(outcome) {
      last = outcome
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
