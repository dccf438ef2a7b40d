/**
 * How long somebody who guesses must wait: nothing for the first tries, then twice as long each time. Pure: data in, decision out.
 * A try counts before it is known to be wrong, so that many at once are not let through before the first is counted; who was right
 * has it taken back.
 */

export type BackoffPolicy = {
  /** Tries without a wait. */
  free: number
  firstWaitMs: number
  waitMsMax: number
  /** After so long without a try all is forgotten. More than waitMsMax. */
  forgetMs: number
}

/** Guesses at one account, from wherever: at most some hundred a day. */
export const ACCOUNT_POLICY: BackoffPolicy = {
  free: 5,
  firstWaitMs: 2_000,
  waitMsMax: 900_000,
  forgetMs: 86_400_000,
}
/** Wrong tries from one address at whatever accounts: an office behind one address has many people. */
export const ADDRESS_POLICY: BackoffPolicy = { free: 50, firstWaitMs: 2_000, waitMsMax: 900_000, forgetMs: 86_400_000 }
/** Accounts that one address opens for itself. */
export const REGISTRATION_POLICY: BackoffPolicy = {
  free: 10,
  firstWaitMs: 60_000,
  waitMsMax: 3_600_000,
  forgetMs: 86_400_000,
}

export type Attempts = { count: number; lastAtMs: number }

export type Admittance = { allowed: true; attempts: Attempts } | { allowed: false; retryAfterMs: number }

/** A refused try changes nothing: who only waits gets in, whatever others try meanwhile. */
export function admit(attempts: Attempts | undefined, policy: BackoffPolicy, nowMs: number): Admittance {
  if (!attempts || nowMs - attempts.lastAtMs > policy.forgetMs) {
    return { allowed: true, attempts: { count: 1, lastAtMs: nowMs } }
  }
  const waitedMs = nowMs - attempts.lastAtMs
  const waitMs = waitAfter(attempts.count, policy)
  if (waitedMs < waitMs) return { allowed: false, retryAfterMs: waitMs - waitedMs }
  return { allowed: true, attempts: { count: attempts.count + 1, lastAtMs: nowMs } }
}

function waitAfter(count: number, { free, firstWaitMs, waitMsMax }: BackoffPolicy): number {
  return count < free ? 0 : Math.min(waitMsMax, firstWaitMs * 2 ** (count - free))
}
