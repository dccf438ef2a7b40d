/** Which targets can serve a request at all, however well they are. */
import type { RequestFacts } from '../../chat/ports.ts'
import type { Plan, PlannedTarget } from './plan.ts'

/**
 * Characters that a token is at most, in the mean over a prompt: text has 3 to 5, code less, and only long runs of one character
 * more. What is beyond it for one context is hopeless there; the endpoint itself knows what is between.
 */
const CHARS_PER_TOKEN_MOST = 8

/** A prompt that is hopeless everywhere goes to all the same: the endpoint says best what is too long. */
export function fittingTargets({ targets }: Plan, facts: RequestFacts): readonly PlannedTarget[] {
  const able = targets.filter((target) => isAble(target, facts) && target.holds(facts))
  if (able.length < 2) return able
  const roomy = able.filter(
    ({ deployment: { contextTokens } }) =>
      contextTokens === undefined || facts.promptChars <= contextTokens * CHARS_PER_TOKEN_MOST,
  )
  return roomy.length > 0 ? roomy : able
}

function isAble({ deployment }: PlannedTarget, { needs }: RequestFacts): boolean {
  if (needs.size === 0) return true
  for (const capability of needs) if (!deployment.capabilities.has(capability)) return false
  return true
}
