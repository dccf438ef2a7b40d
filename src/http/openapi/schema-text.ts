/** A field's JSON Schema in a few words: "number, 0 to 2", "one of "a", "b"", "text or list of text". */

/** The part of JSON Schema that our schemas come out as. */
export type FieldSchema = {
  $ref?: string
  type?: string | readonly string[]
  description?: string
  enum?: readonly unknown[]
  const?: unknown
  anyOf?: readonly FieldSchema[]
  items?: FieldSchema
  properties?: Readonly<Record<string, FieldSchema>>
  required?: readonly string[]
  default?: unknown
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
}

/** null is left out: it always means "not given". */
export function typeText(field: FieldSchema): string {
  const text = alternatives(field)
    .map((alternative) => [nameOf(alternative), boundsOf(alternative)].filter(Boolean).join(', '))
    .join(' or ')
  return field.default === undefined ? text : `${text}; default ${JSON.stringify(field.default)}`
}

function alternatives(field: FieldSchema): FieldSchema[] {
  const branches = field.anyOf?.flatMap(alternatives) ?? [field]
  return branches.filter((branch) => branch.type !== 'null')
}

function nameOf(field: FieldSchema): string {
  if (field.$ref) return field.$ref.split('/').at(-1) ?? ''
  if (field.enum) return `one of ${field.enum.map((value) => JSON.stringify(value)).join(', ')}`
  const type = typeof field.type === 'string' ? field.type : field.type?.find((name) => name !== 'null')
  if (type === 'array') return field.items ? `list of ${nameOf(field.items)}` : 'list'
  if (type === 'object' && field.properties) return `object { ${members(field.properties)} }`
  return NAMES[type ?? ''] ?? type ?? 'anything'
}

function members(properties: Readonly<Record<string, FieldSchema>>): string {
  return Object.entries(properties)
    .map(([name, field]) => `${name}: ${typeText(field)}`)
    .join('; ')
}

const NAMES: Readonly<Record<string, string>> = { string: 'text', boolean: 'true or false', integer: 'whole number' }

function boundsOf(field: FieldSchema): string {
  if (field.maxItems !== undefined) return `at most ${number(field.maxItems)} items`
  if (field.maxLength !== undefined) return `at most ${number(field.maxLength)} characters`
  const { minimum, exclusiveMinimum, maximum } = field
  // The schema's way of saying "any integer that JSON carries".
  if (minimum === Number.MIN_SAFE_INTEGER) return ''
  if (maximum === undefined || maximum === Number.MAX_SAFE_INTEGER)
    return minimum === undefined ? '' : `at least ${number(minimum)}`
  if (exclusiveMinimum !== undefined) return `above ${number(exclusiveMinimum)} to ${number(maximum)}`
  return minimum === undefined ? `at most ${number(maximum)}` : `${number(minimum)} to ${number(maximum)}`
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}
