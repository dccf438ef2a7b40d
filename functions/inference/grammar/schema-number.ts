/** Numbers of a schema as a rule. */

import type { Schema } from './conversion.ts'
import { type GrammarWriter, oneOf, SchemaError } from './grammar-writer.ts'
import { anyInteger, anyNumber } from './json-text.ts'
import { type Bounds, integersBetween, multiplesBetween, numbersBetween } from './number-range.ts'

/** So many multiples are written into a grammar. */
const LISTED_MAX = 1_000

export function integerRule(writer: GrammarWriter, schema: Schema, path: string): string {
  const bounds = boundsOf(schema, path)
  if (schema.multipleOf !== undefined) return multiples(writer, schema.multipleOf, bounds, path)
  if (bounds.min === null && bounds.max === null) return anyInteger(writer)
  const body = integersBetween(bounds)
  if (body === null) throw new SchemaError(path, 'no whole number lies within its bounds')
  return writer.rule(body)
}

export function numberRule(writer: GrammarWriter, schema: Schema, path: string): string {
  if (schema.multipleOf !== undefined) return integerRule(writer, schema, path)
  const bounds = boundsOf(schema, path)
  if (bounds.min === null && bounds.max === null) return anyNumber(writer)
  const body = numbersBetween(bounds)
  if (body === null) throw new SchemaError(path, 'no number of at most 15 digits lies within its bounds')
  return writer.rule(body)
}

function multiples(writer: GrammarWriter, step: unknown, bounds: Bounds, path: string): string {
  if (typeof step !== 'number' || !Number.isInteger(step) || step <= 0) {
    throw new SchemaError(path, 'multipleOf can be followed if it is a whole number above 0')
  }
  if (step === 1) return writer.rule(integersBetween(bounds) ?? '""')
  // A side without a bound gets one: what is listed is a part of what is valid.
  const reach = step * (LISTED_MAX / 2 - 1)
  const min = bounds.min ?? (bounds.max === null ? -reach : bounds.max - reach)
  const listed = multiplesBetween(step, { ...bounds, min, max: bounds.max ?? min + 2 * reach }, LISTED_MAX)
  if (listed !== null) return writer.rule(oneOf(writer, listed))
  throw new SchemaError(path, `multipleOf can be followed where 1 to ${LISTED_MAX} multiples lie within the bounds`)
}

function boundsOf(schema: Schema, path: string): Bounds {
  const read = (keyword: string) => {
    const value = schema[keyword]
    if (value === undefined) return null
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw new SchemaError(path, `${keyword} must be a number`)
  }
  const [min, max] = [read('minimum'), read('maximum')]
  const [above, below] = [read('exclusiveMinimum'), read('exclusiveMaximum')]
  const isMinExclusive = above !== null && (min === null || above >= min)
  const isMaxExclusive = below !== null && (max === null || below <= max)
  return { min: isMinExclusive ? above : min, max: isMaxExclusive ? below : max, isMinExclusive, isMaxExclusive }
}
