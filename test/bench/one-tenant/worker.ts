/** The tenant's real objects in workerd, asked again what a simulation asked them. D1 is another machine's work: it takes all at once. */
import { BudgetLedger } from '../../../src/budgets/budget-object.ts'
import type { Env } from '../../../src/env.ts'
import { Limits } from '../../../src/limits/limit-object.ts'

export { Limits }

export type Job = {
  object: 'LIMITS' | 'BUDGET'
  name: string
  /** `false`: only parsed, to know what that costs. */
  isAsked: boolean
  calls: { method: string; args: unknown[] }[]
}

export class Ledger extends BudgetLedger {
  constructor(state: DurableObjectState, env: Env) {
    const statement = { bind: () => statement, run: async () => undefined }
    // Sound: delivery uses nothing else of D1.
    super(state, { ...env, DB: { prepare: () => statement } as unknown as D1Database })
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { object, name, isAsked, calls } = (await request.json()) as Job
    // Sound: the simulation called these methods of these classes.
    const stub = env[object].getByName(name) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    if (isAsked) for (const { method, args } of calls) await stub[method]?.(...args)
    return Response.json(calls.length)
  },
}
