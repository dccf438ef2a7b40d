/**
 * How long the strings of an answer may be, by where they stand. Grammars count badly (each count is a state, and each state costs 20 ms to
 * compile), so lengths are kept beside the grammar: here is the map that a schema gives, limit-strings.ts follows it.
 *
 * A place may have several nodes, one for each alternative of the schema that is still possible there.
 */
import { SchemaError } from './grammar-writer.ts'
import type { Lengths } from './string-grammar.ts'

/** Numbers are places in the list of nodes. */
export type LimitNode = {
  /** These stand for it: a reference that was used before it was known. Only until the map is finished. */
  same?: number[]
  /** What a string here may be: of a length alone, or of a grammar's own making. Absent where no string is possible. */
  text?: Lengths | 'by grammar'
  /** By name; a name that is not there is `extra`. */
  properties?: Record<string, number[]>
  /** The strings that a property must be one of, for knowing which alternative an object is. */
  constants?: Record<string, string[]>
  extra?: number[]
  /** By place; later ones are `rest`. */
  items?: number[][]
  rest?: number[]
}

/** The root is the alternatives in `root`. Null is no limit anywhere. */
export type StringLimits = { nodes: LimitNode[]; root: number[] } | null

/** Compared pairs of nodes; beyond it a schema is too tangled to tell. */
const COMPARED_MAX = 20_000

/** Null if nothing is limited. @throws SchemaError where alternatives want what cannot be told apart in time */
export function finishLimits(drafts: LimitNode[], start: number[]): StringLimits {
  const isLimited = drafts.some(({ text }) => typeof text === 'object' && (text.min > 0 || text.max !== null))
  if (!isLimited) return null
  const root = resolved(drafts, start)
  const nodes = drafts.map((node): LimitNode => {
    const lists = Object.entries(node.properties ?? {}).map(([name, ids]) => [name, resolved(drafts, ids)] as const)
    return {
      ...node,
      ...(node.properties && { properties: Object.fromEntries(lists) }),
      ...(node.extra && { extra: resolved(drafts, node.extra) }),
      ...(node.items && { items: node.items.map((ids) => resolved(drafts, ids)) }),
      ...(node.rest && { rest: resolved(drafts, node.rest) }),
    }
  })
  const compared = new Set<string>()
  const check = (alternatives: readonly number[]) => {
    for (const [index, a] of alternatives.entries()) {
      for (const b of alternatives.slice(index + 1)) clash(Math.min(a, b), Math.max(a, b))
    }
  }
  function clash(first: number, second: number) {
    const key = `${first} ${second}`
    if (first === second || compared.has(key)) return
    if (compared.size > COMPARED_MAX) throw new SchemaError('#', 'its alternatives are too many to compare')
    compared.add(key)
    const a = nodes[first] ?? {}
    const b = nodes[second] ?? {}
    if (areToldApart(a, b)) return
    if (a.text !== undefined && b.text !== undefined && intersection([a.text, b.text]) === null) {
      throw new SchemaError('#', 'a string is limited in length by one alternative and otherwise by another')
    }
    for (const name of new Set([...Object.keys(a.properties ?? {}), ...Object.keys(b.properties ?? {})])) {
      check([...(propertyOf(a, name) ?? []), ...(propertyOf(b, name) ?? [])])
    }
    check([...(a.extra ?? []), ...(b.extra ?? [])])
    const length = Math.max(a.items?.length ?? 0, b.items?.length ?? 0)
    for (let place = 0; place <= length; place++) check([...itemOf(a, place), ...itemOf(b, place)])
  }
  check(root)
  for (const node of nodes) {
    for (const alternatives of Object.values(node.properties ?? {})) check(alternatives)
    for (const alternatives of [node.extra ?? [], ...(node.items ?? []), node.rest ?? []]) check(alternatives)
  }
  return { nodes, root }
}

function resolved(nodes: readonly LimitNode[], ids: readonly number[], seen = new Set<number>()): number[] {
  return ids.flatMap((id) => {
    const { same } = nodes[id] ?? {}
    if (seen.has(id)) return []
    seen.add(id)
    return same === undefined ? [id] : resolved(nodes, same, seen)
  })
}

export const propertyOf = (node: LimitNode, name: string): number[] =>
  (node.properties !== undefined && Object.hasOwn(node.properties, name) ? node.properties[name] : node.extra) ?? []
export const itemOf = (node: LimitNode, place: number): number[] => node.items?.[place] ?? node.rest ?? []

/** Lengths that satisfy all, or null where there is none or where one is not of lengths alone. No limit when nothing limits. */
export function intersection(texts: readonly (Lengths | 'by grammar')[]): Lengths | null {
  const limits = texts.filter((text) => text !== 'by grammar')
  const isLimited = limits.some(({ min, max }) => min > 0 || max !== null)
  if (!isLimited) return { min: 0, max: null }
  if (limits.length < texts.length) return null
  const min = Math.max(...limits.map((limit) => limit.min))
  const max = Math.min(...limits.map((limit) => limit.max ?? Number.POSITIVE_INFINITY))
  return min > max ? null : { min, max: Number.isFinite(max) ? max : null }
}

/** By the constant that each begins with, so that it is known before anything else is written. */
function areToldApart(a: LimitNode, b: LimitNode): boolean {
  const [first] = Object.keys(a.properties ?? {})
  const [other] = Object.keys(b.properties ?? {})
  if (first !== other) return false
  return Object.entries(a.constants ?? {}).some(([name, values]) => {
    if (name !== first) return false
    const others = b.constants !== undefined && Object.hasOwn(b.constants, name) ? b.constants[name] : undefined
    return others !== undefined && !values.some((value) => others.includes(value))
  })
}
