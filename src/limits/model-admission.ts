/** The Admission port: what can only be counted when the model is known. Requests to it, tokens, answers at the same time. */
import type { Admission, Admitted, Demand } from '../chat/ports.ts'
import type { Usage } from '../contract/chat-completion.ts'
import { estimateTokens } from './estimate-tokens.ts'
import type { LeasedStreams, StreamVerdict } from './leased-streams.ts'
import type { LeasedWindows, Spend, Verdict } from './leased-windows.ts'
import { limitsUnknown, overLimit } from './limit-error.ts'
import type { LimitPlans, ModelPlan } from './limit-plans.ts'
import { type RulesOf, refuseUnlessTaken } from './request-limits.ts'

const UNLIMITED: Admitted = { leave: () => undefined }

export function modelAdmission(options: {
  windows: LeasedWindows
  streams: LeasedStreams
  plans: LimitPlans
  rulesOf: RulesOf
  nowMs: () => number
}): Admission {
  const { windows, streams, plans, rulesOf, nowMs } = options

  function admit(plan: ModelPlan, demand: Demand): Admitted | Promise<Admitted> {
    if (plan.requests.length + plan.tokens.length + plan.streams.length === 0) return UNLIMITED
    const estimate = plan.tokens.length > 0 ? estimateTokens(demand.request) : 0
    // One that is larger than the whole limit is let in at the beginning of a window: refused for ever would help nobody.
    const tokenSpends = plan.tokens.map(({ spend }) => ({ ...spend, cost: Math.min(estimate, spend.counter.amount) }))
    const spends = [...plan.requests.map(({ spend }) => spend), ...tokenSpends]
    const taking = windows.take(spends)
    const entering = plan.streams.map(({ counter }) => streams.enter(counter))
    const decide = (taken: Verdict, entered: readonly StreamVerdict[]) =>
      decided(plan, { spends, tokenSpends, taken, entered })
    if (!(taking instanceof Promise) && entering.every((one): one is StreamVerdict => !(one instanceof Promise))) {
      return decide(taking, entering)
    }
    return Promise.all([taking, Promise.all(entering)]).then(([taken, entered]) => decide(taken, entered))
  }

  /** All or none: what was taken beside a refusal is given back. */
  function decided(
    plan: ModelPlan,
    asked: {
      spends: readonly Spend[]
      tokenSpends: readonly Spend[]
      taken: Verdict
      entered: readonly StreamVerdict[]
    },
  ): Admitted {
    const { spends, tokenSpends, taken, entered } = asked
    const takenAtMs = nowMs()
    const leaveStreams = () => {
      for (const one of entered) if (one.kind === 'entered') one.leave()
    }
    const against = entered.findIndex(({ kind }) => kind !== 'entered')
    if (taken.kind !== 'taken') {
      leaveStreams()
      refuseUnlessTaken([...plan.requests, ...plan.tokens], taken)
    } else if (against >= 0) {
      leaveStreams()
      windows.refund(spends, takenAtMs)
      const [verdict, limited] = [entered[against], plan.streams[against]]
      if (limited && verdict?.kind === 'refused') throw overLimit(limited.rule)
      throw limitsUnknown(verdict?.kind === 'failed' ? verdict.cause : undefined)
    }
    let left = false
    return {
      leave(usage: Usage | undefined) {
        if (left) return
        left = true
        leaveStreams()
        // Nothing was generated: it was refused after us, the model failed, or somebody else pays for the same answer.
        if (!usage) return windows.refund(spends, takenAtMs)
        for (const spend of tokenSpends) windows.correct(spend, usage.total_tokens - spend.cost, takenAtMs)
      },
    }
  }

  return {
    enter(demand) {
      const { principal, alias } = demand
      const rules = rulesOf(principal.tenantId)
      if (!(rules instanceof Promise)) return admit(plans.ofModel(rules, principal, alias), demand)
      return rules
        .catch((cause): never => {
          throw limitsUnknown(cause)
        })
        .then((known) => admit(plans.ofModel(known, principal, alias), demand))
    },
  }
}
