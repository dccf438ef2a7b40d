/** Which limits there are, and which of them hold for whom. Pure. */
import { EACH } from '../contract/limit-each.ts'
import type { LimitDimension, LimitKind } from '../contract/limits.ts'

export type LimitRule = {
  dimension: LimitDimension
  /** A key, a user, an endpoint, a model, or EACH. */
  subject: string
  kind: LimitKind
  amount: number
  /** 0 for streams. */
  windowMs: number
}

const HOUR_MS = 3_600_000

/** The limits of whoever has none of their own. docs/limits.md has the same table. */
export const DEFAULT_LIMITS: readonly LimitRule[] = [
  { dimension: 'endpoint', subject: EACH, kind: 'requests', amount: 100, windowMs: HOUR_MS },
  // Two Prometheus servers that ask every ten seconds.
  { dimension: 'endpoint', subject: 'GET /metrics', kind: 'requests', amount: 720, windowMs: HOUR_MS },
]

/** Those of the one key that `npm start` makes: its user is who runs the installation. */
export function developmentLimits(requestsPerHour: number): readonly LimitRule[] {
  return [{ dimension: 'endpoint', subject: EACH, kind: 'requests', amount: requestsPerHour, windowMs: HOUR_MS }]
}

/** A tenant's own before the defaults, and what names the subject before what holds for each. Several differ by their window. */
export function rulesFor(
  rules: readonly LimitRule[],
  defaults: readonly LimitRule[],
  wanted: { dimension: LimitDimension; kind: LimitKind; subject: string },
): readonly LimitRule[] {
  const fitting = (list: readonly LimitRule[], subject: string) =>
    list.filter((rule) => rule.dimension === wanted.dimension && rule.kind === wanted.kind && rule.subject === subject)
  for (const list of [rules, defaults]) {
    for (const subject of [wanted.subject, EACH]) {
      const found = fitting(list, subject)
      if (found.length > 0) return found
    }
  }
  return []
}
