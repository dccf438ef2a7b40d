/** The RequestLimits port: requests of a tenant, a key, a user and at an endpoint, before the request is read. */
import type { LimitStanding, RequestEntry, RequestLimits } from '../http/ports.ts'
import type { LeasedWindows, Verdict } from './leased-windows.ts'
import { limitsUnknown, overLimit } from './limit-error.ts'
import type { LimitedWindow, LimitPlans, RequestPlan } from './limit-plans.ts'
import type { LimitRule } from './limit-rules.ts'

export type RulesOf = (tenantId: string) => readonly LimitRule[] | Promise<readonly LimitRule[]>

export function requestLimits(options: {
  windows: LeasedWindows
  plans: LimitPlans
  rulesOf: RulesOf
  nowMs: () => number
}): RequestLimits {
  const { windows, plans, rulesOf, nowMs } = options

  function enter(
    tenantId: string,
    planOf: (rules: readonly LimitRule[]) => RequestPlan,
  ): RequestEntry | Promise<RequestEntry> {
    const rules = rulesOf(tenantId)
    return rules instanceof Promise
      ? rules.catch(closed).then((known) => counted(planOf(known)))
      : counted(planOf(rules))
  }

  function counted(plan: RequestPlan): RequestEntry | Promise<RequestEntry> {
    const verdict = windows.take(plan.spends)
    return verdict instanceof Promise ? verdict.then((found) => entered(plan, found)) : entered(plan, verdict)
  }

  function entered(plan: RequestPlan, verdict: Verdict): RequestEntry {
    refuseUnlessTaken(plan.windows, verdict)
    const takenAtMs = nowMs()
    return { refund: () => windows.refund(plan.spends, takenAtMs) }
  }

  function standingOf({ policy, rule, spend }: LimitedWindow): LimitStanding {
    const { remaining, resetMs } = windows.standing(spend.counter)
    return {
      policy,
      kind: rule.kind === 'tokens' ? 'tokens' : 'requests',
      limit: rule.amount,
      windowSeconds: rule.windowMs / 1_000,
      remaining,
      resetMs,
    }
  }

  return {
    enter: ({ principal, endpoint }) =>
      enter(principal.tenantId, (rules) => plans.ofRequest(rules, principal, endpoint)),
    enterEndUser: ({ principal, label }) =>
      enter(principal.tenantId, (rules) => plans.ofEndUser(rules, principal, label)),
    standing({ principal, endpoint, alias }) {
      const request = plans.knownRequest(principal, endpoint)?.windows ?? []
      const model = alias === undefined ? undefined : plans.knownModel(principal, alias)
      const all = model ? [...request, ...model.requests, ...model.tokens] : request
      return all.map(standingOf)
    },
  }
}

/** Throws rate_limited or store_unavailable. */
export function refuseUnlessTaken(limited: readonly LimitedWindow[], verdict: Verdict): void {
  if (verdict.kind === 'taken') return
  if (verdict.kind === 'failed') throw limitsUnknown(verdict.cause)
  const { counter, nowMs } = verdict
  const rule = limited.find(
    ({ spend }) => spend.counter.name === counter.name && spend.counter.owner === counter.owner,
  )?.rule
  if (!rule) throw new Error('A counter refused that was not asked.')
  throw overLimit(rule, Math.max(1, Math.ceil((counter.windowMs - (nowMs % counter.windowMs)) / 1_000)))
}

function closed(cause: unknown): never {
  throw limitsUnknown(cause)
}
