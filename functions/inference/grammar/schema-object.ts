/** Objects of a schema as a rule: properties in the schema's order, optional ones or not, then those that are not named. */
import { addNode, type Conversion, type Convert, type Converted, count, isSchema, type Schema } from './conversion.ts'
import {
  anyOf,
  characters,
  EVERY_CHARACTER,
  type GrammarWriter,
  literal,
  SchemaError,
  subtract,
} from './grammar-writer.ts'
import { anyObject, anyString, space, stringCharacter } from './json-text.ts'
import { patternString } from './string-grammar.ts'

type Property = { name: string; isRequired: boolean; value: Converted }
type Extra = { key: string; value: Converted }

export function objectRule(conversion: Conversion, schema: Schema, convert: Convert, path: string): Converted {
  const { writer } = conversion
  const properties = propertiesOf(schema, convert, path)
  const extra = extraOf(conversion, schema, properties, convert, path)
  const min = count(schema, 'minProperties', path) ?? 0
  const max = count(schema, 'maxProperties', path)
  const required = properties.filter(({ isRequired }) => isRequired).length
  const isFree = properties.length === 0 && extra === null && schema.additionalProperties !== false
  if (isFree && schema.patternProperties === undefined && min === 0 && max === null) {
    return { rule: anyObject(writer), nodes: [] }
  }
  // Two of the names that are not given may be the same one.
  if (min > Math.max(1, required))
    throw new SchemaError(path, 'minProperties cannot be followed beyond what is required, or 1')
  if (max !== null && max < required) throw new SchemaError(path, 'maxProperties is below what is required')
  const isCounted = max !== null && (properties.length === 0 || max < properties.length || extra !== null)
  if (isCounted && properties.length > 0) {
    throw new SchemaError(path, 'maxProperties cannot be followed where some properties are optional')
  }
  const node = addNode(conversion, {
    properties: Object.fromEntries(properties.map(({ name, value }) => [name, value.nodes])),
    constants: constantsOf(schema, properties),
    ...(extra !== null && { extra: extra.value.nodes }),
  })
  const extraMax = isCounted ? max : null
  return { rule: writeObject(writer, properties, extra, min > 0, extraMax), nodes: [node] }
}

function writeObject(
  writer: GrammarWriter,
  properties: Property[],
  extra: Extra | null,
  isNotEmpty: boolean,
  extraMax: number | null,
): string {
  const between = space(writer)
  const comma = writer.rule(`${between} "," ${between}`)
  const close = writer.rule(`${between} "}"`)
  const entry = (key: string, value: string) => writer.rule(`${key} ":" ${between} ${value}`)
  const other = extra === null || extraMax === 0 ? null : entry(extra.key, extra.value.rule)
  const most = extraMax === null ? '' : extraMax - 1

  /** `first`: nothing stands before it, so it brings no comma. Built from the end, so that each rule names one that exists. */
  let first = other === null ? '' : `${other} (${comma} ${other}){0,${most}} ${close}`
  if (!isNotEmpty) first = first === '' ? close : `${close} | ${first}`
  let later = other === null ? close : writer.rule(`(${comma} ${other})* ${close}`)
  for (const { name, isRequired, value } of properties.toReversed()) {
    const pair = entry(literal(JSON.stringify(name)), value.rule)
    const skipped = first === '' || isRequired ? '' : ` | ${writer.rule(first)}`
    first = `${pair} ${later}${skipped}`
    later = writer.rule(isRequired ? `${comma} ${pair} ${later}` : `${comma} ${pair} ${later} | ${later}`)
  }
  if (first === '') throw new SchemaError('#', 'an object must have a property and may have none')
  return writer.rule(`"{" ${between} ${writer.rule(first)}`)
}

function propertiesOf(schema: Schema, convert: Convert, path: string): Property[] {
  const given = schema.properties ?? {}
  if (!isSchema(given)) throw new SchemaError(path, 'properties must be an object')
  const required = schema.required ?? []
  if (!Array.isArray(required) || required.some((name) => typeof name !== 'string')) {
    throw new SchemaError(path, 'required must be a list of names')
  }
  const names = [...new Set([...Object.keys(given), ...required])]
  return names.flatMap((name): Property[] => {
    const isRequired = required.includes(name)
    const inner = Object.hasOwn(given, name) ? given[name] : (schema.additionalProperties ?? true)
    // One that must not be there, and need not.
    if (inner === false && !isRequired) return []
    return [{ name, isRequired, value: convert(inner, `properties/${name}`) }]
  })
}

/** What may stand there beyond the named. Not saying anything allows anything; but it is rarely meant, unless nothing is named. */
function extraOf(
  { writer }: Conversion,
  schema: Schema,
  properties: Property[],
  convert: Convert,
  path: string,
): Extra | null {
  const names = [
    ...properties.map(({ name }) => name),
    ...Object.keys(isSchema(schema.properties) ? schema.properties : {}),
  ]
  if (schema.patternProperties !== undefined) {
    const patterns = isSchema(schema.patternProperties) ? Object.entries(schema.patternProperties) : []
    const [only] = patterns
    if (only === undefined || patterns.length > 1) throw new SchemaError(path, 'patternProperties can have one pattern')
    const key = patternString(writer, only[0], { min: 0, max: null }, path)
    if (names.some((name) => new RegExp(only[0], 'u').test(name))) {
      throw new SchemaError(path, 'patternProperties cannot be followed where a name fits its pattern')
    }
    return { key, value: convert(only[1], 'patternProperties') }
  }
  const given = schema.additionalProperties
  if (!isSchema(given) && !(given === true && properties.length === 0)) {
    return given === undefined && properties.length === 0 && schema.maxProperties !== undefined
      ? { key: anyString(writer), value: convert(true, 'additionalProperties') }
      : null
  }
  return {
    key: names.length === 0 ? anyString(writer) : keyExcept(writer, names),
    value: convert(given, 'additionalProperties'),
  }
}

/** A name that is none of `names`: a tree of their beginnings, which is left at a character that none of them has there. */
function keyExcept(writer: GrammarWriter, names: readonly string[]): string {
  const anything = writer.rule(`${stringCharacter(writer, EVERY_CHARACTER)}*`)
  const plain = subtract(EVERY_CHARACTER, [
    [0, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
  ])
  function after(rest: readonly string[][]): string {
    const next = new Map<number, string[][]>()
    for (const [character, ...others] of rest) {
      const code = character?.codePointAt(0)
      if (code !== undefined) next.set(code, [...(next.get(code) ?? []), others])
    }
    const codes = [...next.keys()].sort((a, b) => a - b)
    const others = subtract(
      plain,
      codes.map((code) => [code, code]),
    )
    const parts = [`${characters(others)} ${anything}`]
    // Nothing more may follow, unless what is there by now is a name.
    if (!rest.some(({ length }) => length === 0)) parts.push('""')
    for (const code of codes) {
      if (plain.some(([first, last]) => first <= code && code <= last)) {
        parts.push(`${characters([[code, code]])} ${after(next.get(code) ?? [])}`)
      }
    }
    return writer.rule(anyOf(parts))
  }
  return writer.rule(`"\\"" ${after(names.map((name) => Array.from(name)))} "\\""`)
}

/** For telling alternatives apart while they are written. */
function constantsOf(schema: Schema, properties: Property[]): Record<string, string[]> {
  const constants: Record<string, string[]> = {}
  for (const { name, isRequired } of properties) {
    const property = isSchema(schema.properties) ? schema.properties[name] : undefined
    if (!isRequired || !isSchema(property)) continue
    const values = property.const !== undefined ? [property.const] : property.enum
    if (Array.isArray(values) && values.every((value) => typeof value === 'string')) constants[name] = values
  }
  return constants
}
