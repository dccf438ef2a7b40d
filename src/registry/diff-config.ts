/** What changed between two versions of the routing document, field by field. Pure. */
import type { RoutingConfig } from '../contract/routing-config.ts'
import type { RoutingChange } from '../http/ports.ts'

/** In the order of the paths. What was added or removed whole is one change. */
export function diffConfig(before: RoutingConfig, after: RoutingConfig): RoutingChange[] {
  return diffValues('', before, after)
}

type Tree = { readonly [key: string]: unknown }

function diffValues(path: string, before: unknown, after: unknown): RoutingChange[] {
  if (!isTree(before) || !isTree(after) || Array.isArray(before) !== Array.isArray(after)) {
    return Object.is(before, after) ? [] : [{ path, change: 'changed', before, after }]
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort(
    Array.isArray(before) ? (one, other) => Number(one) - Number(other) : undefined,
  )
  return keys.flatMap((key): RoutingChange[] => {
    const inner = path === '' ? key : `${path}.${key}`
    const had = Object.hasOwn(before, key) && before[key] !== undefined
    const has = Object.hasOwn(after, key) && after[key] !== undefined
    if (had && has) return diffValues(inner, before[key], after[key])
    if (had) return [{ path: inner, change: 'removed', before: before[key] }]
    return has ? [{ path: inner, change: 'added', after: after[key] }] : []
  })
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null
}

const KEPT_CHANGES_MAX = 100
const KEPT_VALUE_CHARS_MAX = 256

/** What is stored with a version: the first changes, and of large values only that they changed. The documents are there for the rest. */
export function keptDiff(changes: readonly RoutingChange[]): { count: number; changes: RoutingChange[] } {
  const kept = changes.slice(0, KEPT_CHANGES_MAX).map(({ path, change, before, after }) => ({
    path,
    change,
    ...(isSmall(before) ? { before } : {}),
    ...(isSmall(after) ? { after } : {}),
  }))
  return { count: changes.length, changes: kept }
}

function isSmall(value: unknown): boolean {
  return value !== undefined && JSON.stringify(value).length <= KEPT_VALUE_CHARS_MAX
}
