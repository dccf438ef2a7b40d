/** The name under which an answer is remembered: everything that can change it, hashed. */
import { hash } from 'node:crypto'
import type { CacheQuestion, Route } from '../chat/ports.ts'
import { canonicalText } from './canonical-text.ts'

/** Another number whenever the canonical text or what is stored changes its form, for stores outlive deployments. */
const VERSION = 1

/**
 * The tenant, in the clear so that what a tenant has can be found, and the SHA-256 of all else. Undefined for what cannot be named.
 * The model's version is that of its deployments: their ids and the names that their endpoints know them by. Not `system_fingerprint`,
 * which nobody knows before the answer, and in which replicas may differ that answer alike.
 */
export function requestKey({ principal, alias, request, route }: CacheQuestion): string | undefined {
  const text = canonicalText(request)
  if (text === undefined) return undefined
  const { tenantId } = principal
  const whole = `${VERSION}\n${tenantId}\n${alias.length}:${alias}${markOf(route)}${text}`
  const known = keys.get(whole)
  if (known !== undefined) return known
  // UTF-8 has no half of a pair, and would make one character of all of them.
  const key = `${tenantId}.${hash('sha256', whole.isWellFormed() ? whole : `!${JSON.stringify(whole)}`, 'base64url')}`
  if (whole.length <= REMEMBERED_CHARS_MAX) {
    if (keys.size >= REMEMBERED_MAX) keys.clear()
    keys.set(whole, key)
  }
  return key
}

/** What was asked last is what will be asked again; and on workerd a hash makes a whole stream object. At most 2 MB. */
const keys = new Map<string, string>()
const REMEMBERED_MAX = 256
const REMEMBERED_CHARS_MAX = 4_096

const marks = new WeakMap<Route, string>()

/** In any order, for routing may change it; but with the groups, whose first has the models that are meant. */
function markOf(route: Route): string {
  const known = marks.get(route)
  if (known !== undefined) return known
  const targets = route.targets.map(({ priority, deployment }) => [priority, deployment.id, deployment.model])
  const mark = JSON.stringify(targets.map((target) => JSON.stringify(target)).sort())
  marks.set(route, mark)
  return mark
}
