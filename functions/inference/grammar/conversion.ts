/** What the parts of the conversion from schema to grammar share. */
import { type GrammarWriter, SchemaError } from './grammar-writer.ts'
import type { LimitNode } from './string-limits.ts'

export type Schema = Record<string, unknown>
/** A rule's name, and the alternatives of string-limits.ts that stand where it stands. */
export type Converted = { rule: string; nodes: number[] }
export type Conversion = {
  writer: GrammarWriter
  nodes: LimitNode[]
  /** What each `$ref` of each schema became; it is there before it is defined, since a schema may hold itself. */
  refs: Map<unknown, Converted>
  budget: { nodes: number }
}

/** Converts a schema within this one; `at` is its place in it, as in `properties/name`. */
export type Convert = (schema: unknown, at: string) => Converted

export const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function addNode({ nodes }: Conversion, node: LimitNode): number {
  return nodes.push(node) - 1
}

/** A keyword that counts, or null. @throws SchemaError */
export function count(schema: Schema, keyword: string, path: string): number | null {
  const value = schema[keyword]
  if (value === undefined) return null
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw new SchemaError(path, `${keyword} must be a whole number, 0 or more`)
}

export function text(value: unknown, keyword: string, path: string): string {
  if (typeof value === 'string') return value
  throw new SchemaError(path, `${keyword} must be a string`)
}
