/** allOf, anyOf and oneOf, with what stands beside them, as a list of schemas of which one must hold. */
import { isSchema, type Schema } from './conversion.ts'
import { SchemaError } from './grammar-writer.ts'

export type Branch = { schema: unknown; at: string }

/** Alternatives that come out of an alternative of alternatives multiply. */
const BRANCHES_MAX = 256

/** @param resolve gives what a `$ref` points at, or the schema itself @throws SchemaError */
export function mergeSchemas(schema: Schema, resolve: (schema: unknown) => unknown, path: string): Branch[] {
  const { allOf, anyOf, oneOf, ...base } = schema
  if (anyOf !== undefined && oneOf !== undefined)
    throw new SchemaError(path, 'anyOf and oneOf cannot be followed together')
  const all = listOf(allOf ?? [], 'allOf', path).map(resolve)
  const merged = all.reduce<unknown>((sum, part) => merge(sum, part, path), withoutNotes(base))
  const [keyword, given] = oneOf !== undefined ? ['oneOf', oneOf] : ['anyOf', anyOf]
  if (given === undefined) return [{ schema: merged, at: 'allOf' }]
  const branches = listOf(given, String(keyword), path)
  if (branches.length === 0 || branches.length > BRANCHES_MAX) {
    throw new SchemaError(path, `${keyword} must have 1 to ${BRANCHES_MAX} alternatives`)
  }
  if (oneOf !== undefined) refuseOverlap(branches.map(resolve), path)
  const isAlone = Object.keys(isSchema(merged) ? merged : {}).length === 0
  return branches.map((branch, index) => ({
    // Alone it may stay a reference, which may be to itself.
    schema: isAlone ? branch : merge(merged, resolve(branch), path),
    at: `${keyword}/${index}`,
  }))
}

function merge(a: unknown, b: unknown, path: string): unknown {
  if (a === true || b === false) return b
  if (b === true || a === false) return a
  if (!isSchema(a) || !isSchema(b)) throw new SchemaError(path, 'a schema must be an object')
  const result: Schema = { ...a }
  for (const [keyword, value] of Object.entries(withoutNotes(b))) {
    const other = result[keyword]
    if (other === undefined || JSON.stringify(other) === JSON.stringify(value)) result[keyword] = value
    else if (keyword === 'required' && Array.isArray(other) && Array.isArray(value))
      result[keyword] = [...other, ...value]
    else if (keyword === 'properties' && isSchema(other) && isSchema(value)) {
      const names = [...new Set([...Object.keys(other), ...Object.keys(value)])]
      result[keyword] = Object.fromEntries(
        names.map((name) => [name, merge(other[name] ?? true, value[name] ?? true, `${path}/properties/${name}`)]),
      )
    } else throw new SchemaError(path, `${keyword} is said twice by what must hold together`)
  }
  if (forbids(a, b) || forbids(b, a)) {
    throw new SchemaError(path, 'additionalProperties cannot be followed in one part of what must hold together')
  }
  return result
}

/** Whether `closed` has a say in properties that only `open` names. */
function forbids(closed: Schema, open: Schema): boolean {
  const { additionalProperties } = closed
  if (additionalProperties === undefined || additionalProperties === true) return false
  const own = isSchema(closed.properties) ? closed.properties : {}
  return Object.keys(isSchema(open.properties) ? open.properties : {}).some((name) => !Object.hasOwn(own, name))
}

const NOTES = ['title', 'description', 'default', 'examples', '$defs', 'definitions', '$schema', '$id', '$comment']
const withoutNotes = (schema: Schema): Schema =>
  Object.fromEntries(Object.entries(schema).filter(([name]) => !NOTES.includes(name)))

function listOf(value: unknown, keyword: string, path: string): unknown[] {
  if (Array.isArray(value)) return value
  throw new SchemaError(path, `${keyword} must be a list of schemas`)
}

/** oneOf forbids what two alternatives allow, which no grammar can: they must be of different kinds, or differ in a constant. */
function refuseOverlap(branches: unknown[], path: string) {
  for (const [index, a] of branches.entries()) {
    for (const b of branches.slice(index + 1)) {
      if (!areDisjoint(a, b)) {
        throw new SchemaError(
          path,
          'oneOf can be followed where its alternatives differ in type or in a constant; use anyOf',
        )
      }
    }
  }
}

function areDisjoint(a: unknown, b: unknown): boolean {
  if (a === false || b === false) return true
  if (!isSchema(a) || !isSchema(b)) return false
  const types = [a, b].map(typesOf)
  const [first, second] = types
  if (first && second && !first.some((type) => second.includes(type))) return true
  const values = [a, b].map(({ const: only, enum: list }) => (only !== undefined ? [only] : list))
  const [some, others] = values.map((list) => (Array.isArray(list) ? list.map((value) => JSON.stringify(value)) : null))
  if (some && others) return !some.some((value) => others.includes(value))
  return Object.entries(isSchema(a.properties) ? a.properties : {}).some(([name, property]) => {
    const other = isSchema(b.properties) && Object.hasOwn(b.properties, name) ? b.properties[name] : undefined
    const isRequired = [a, b].every(({ required }) => Array.isArray(required) && required.includes(name))
    return isRequired && other !== undefined && areDisjoint(property, other)
  })
}

function typesOf({ type, const: only, enum: list }: Schema): string[] | null {
  const given = type ?? null
  if (given !== null)
    return (Array.isArray(given) ? given : [given]).map((name) => (name === 'integer' ? 'number' : String(name)))
  const values = only !== undefined ? [only] : list
  if (!Array.isArray(values)) return null
  return values.map((value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value))
}
