/** One node of a schema as a rule of the grammar: by its keywords, then by its type. See schema-to-grammar.ts. */

import {
  addNode,
  type Conversion,
  type Convert,
  type Converted,
  count,
  isSchema,
  type Schema,
  text,
} from './conversion.ts'
import { anyOf, oneOf, SchemaError } from './grammar-writer.ts'
import { anyString, anyValue } from './json-text.ts'
import { arrayRule } from './schema-array.ts'
import { mergeSchemas } from './schema-merge.ts'
import { integerRule, numberRule } from './schema-number.ts'
import { objectRule } from './schema-object.ts'
import { formatString, type Lengths, patternString } from './string-grammar.ts'

/** Nested deeper, or with more parts, a schema is a mistake or an attack: OpenAI allows 10 levels and 5,000 properties. */
const DEPTH_MAX = 64
const NODES_MAX = 10_000

/** Say nothing about which values are valid. */
const ANNOTATIONS = new Set([
  ...['title', 'description', 'default', 'examples', 'example', '$schema', '$id', '$comment', '$defs', 'definitions'],
  ...['deprecated', 'readOnly', 'writeOnly', 'contentMediaType', 'contentEncoding', '$anchor', 'strict', 'nullable'],
])
const BY_TYPE: Record<string, readonly string[]> = {
  object: [
    ...['properties', 'required', 'additionalProperties', 'unevaluatedProperties', 'patternProperties'],
    ...['minProperties', 'maxProperties'],
  ],
  array: ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
}
const GENERAL = new Set(['type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', '$ref'])
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']

/** @throws SchemaError */
export function convertSchema(
  conversion: Conversion,
  root: unknown,
  schema: unknown,
  path = '#',
  depth = 0,
): Converted {
  const { writer, budget } = conversion
  if (depth > DEPTH_MAX) throw new SchemaError(path, `schemas may be nested ${DEPTH_MAX} deep`)
  if (++budget.nodes > NODES_MAX) throw new SchemaError(path, `a schema may have ${NODES_MAX} parts`)
  if (schema === true) return { rule: anyValue(writer), nodes: [] }
  if (schema === false) throw new SchemaError(path, 'nothing is valid here')
  if (!isSchema(schema)) throw new SchemaError(path, 'a schema must be an object')
  const convert: Convert = (inner, at) => convertSchema(conversion, root, inner, `${path}/${at}`, depth + 1)
  const keywords = Object.keys(schema).filter((name) => !ANNOTATIONS.has(name))
  refuseUnknown(keywords, path)
  if (schema.nullable === true) {
    const { nullable: _, ...rest } = schema
    return alternatives(conversion, [convertSchema(conversion, root, rest, path, depth + 1), nullValue])
  }
  if (schema.$ref !== undefined) return convertRef(conversion, root, schema, keywords, path, depth)
  if (schema.allOf !== undefined || schema.anyOf !== undefined || schema.oneOf !== undefined) {
    const branches = mergeSchemas(schema, (inner) => resolveRef(root, inner, path), path)
    return alternatives(
      conversion,
      branches.map(({ schema: branch, at }) => convert(branch, at)),
    )
  }
  if (schema.const !== undefined || schema.enum !== undefined) return convertValues(conversion, schema, keywords, path)
  const types = typesOf(schema, keywords, path)
  if (types === null) return { rule: anyValue(writer), nodes: [] }
  return alternatives(
    conversion,
    types.map((type) => convertType(conversion, schema, type, convert, path)),
  )
}

const nullValue: Converted = { rule: '"null"', nodes: [] }

function convertType(conversion: Conversion, schema: Schema, type: string, convert: Convert, path: string): Converted {
  const { writer } = conversion
  if (type === 'object') return objectRule(conversion, schema, convert, path)
  if (type === 'array') return arrayRule(conversion, schema, convert, path)
  if (type === 'string') return convertString(conversion, schema, path)
  if (type === 'integer') return { rule: integerRule(writer, schema, path), nodes: [] }
  if (type === 'number') return { rule: numberRule(writer, schema, path), nodes: [] }
  return type === 'null' ? nullValue : { rule: writer.rule('"true" | "false"'), nodes: [] }
}

function convertString(conversion: Conversion, schema: Schema, path: string): Converted {
  const { writer } = conversion
  const lengths: Lengths = { min: count(schema, 'minLength', path) ?? 0, max: count(schema, 'maxLength', path) }
  if (lengths.max !== null && lengths.min > lengths.max) throw new SchemaError(path, 'minLength is above maxLength')
  const { pattern, format } = schema
  if (pattern !== undefined && format !== undefined) {
    throw new SchemaError(path, 'pattern and format cannot be followed together')
  }
  const byGrammar = (rule: string): Converted => ({ rule, nodes: [addNode(conversion, { text: 'by grammar' })] })
  if (pattern !== undefined) return byGrammar(patternString(writer, text(pattern, 'pattern', path), lengths, path))
  if (format !== undefined) return byGrammar(formatString(writer, text(format, 'format', path), lengths, path))
  return { rule: anyString(writer), nodes: [addNode(conversion, { text: lengths })] }
}

function convertValues(conversion: Conversion, schema: Schema, keywords: string[], path: string): Converted {
  const other = keywords.find((name) => !['type', 'enum', 'const'].includes(name))
  if (other !== undefined) throw new SchemaError(path, `${other} cannot be followed beside enum or const`)
  const given = schema.const !== undefined ? [schema.const] : schema.enum
  if (!Array.isArray(given) || given.length === 0) throw new SchemaError(path, 'enum must be a list of values')
  const types = schema.type === undefined ? null : typeList(schema.type, path)
  const values = given.filter((value) => types === null || types.some((type) => isOfType(value, type)))
  if (values.length === 0) throw new SchemaError(path, 'no value of enum or const is of its type')
  const texts = [...new Set(values.map((value) => JSON.stringify(value)))]
  const rule = conversion.writer.rule(oneOf(conversion.writer, texts))
  return {
    rule,
    nodes: values.some((value) => typeof value === 'string') ? [addNode(conversion, { text: 'by grammar' })] : [],
  }
}

function convertRef(
  conversion: Conversion,
  root: unknown,
  schema: Schema,
  keywords: string[],
  path: string,
  depth: number,
): Converted {
  const beside = keywords.find((name) => name !== '$ref')
  if (beside !== undefined) throw new SchemaError(path, `${beside} cannot be followed beside $ref`)
  const target = resolveRef(root, schema, path)
  const known = conversion.refs.get(target)
  if (known !== undefined) return known
  const reserved = conversion.writer.reserve()
  const node = addNode(conversion, {})
  const converted: Converted = { rule: reserved.name, nodes: [node] }
  conversion.refs.set(target, converted)
  const inner = convertSchema(conversion, root, target, String(schema.$ref), depth + 1)
  if (inner.rule === reserved.name) throw new SchemaError(path, 'the schema is nothing but itself')
  reserved.define(inner.rule)
  conversion.nodes[node] = { same: inner.nodes }
  return converted
}

/** What a local `$ref` points at, or the schema itself. @throws SchemaError */
export function resolveRef(root: unknown, schema: unknown, path: string): unknown {
  let found = schema
  for (let steps = 0; isSchema(found) && found.$ref !== undefined; steps++) {
    const ref = text(found.$ref, '$ref', path)
    if (!/^#(\/|$)/.test(ref))
      throw new SchemaError(path, `$ref must point into the schema itself, as #/$defs/... does`)
    if (steps > DEPTH_MAX) throw new SchemaError(path, `$ref ${ref} points at itself`)
    found = pointer(root, ref, path)
  }
  return found
}

function pointer(root: unknown, ref: string, path: string): unknown {
  let found = root
  for (const part of ref.split('/').slice(1)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) {
      throw new SchemaError(path, `$ref ${ref} points at nothing`)
    }
    // Sound because the value was just seen to have it.
    found = (found as Record<string, unknown>)[name]
  }
  return found
}

function alternatives({ writer }: Conversion, converted: Converted[]): Converted {
  const [only] = converted
  if (converted.length === 1 && only !== undefined) return only
  return {
    rule: writer.rule(anyOf(converted.map(({ rule }) => rule))),
    nodes: [...new Set(converted.flatMap(({ nodes }) => nodes))],
  }
}

/** Null where nothing at all is said. */
function typesOf(schema: Schema, keywords: string[], path: string): string[] | null {
  if (schema.type !== undefined) return typeList(schema.type, path)
  const implied = Object.keys(BY_TYPE).filter((type) => keywords.some((name) => BY_TYPE[type]?.includes(name)))
  return implied.length === 0 ? null : implied
}

function typeList(type: unknown, path: string): string[] {
  const types = Array.isArray(type) ? type : [type]
  const wrong = types.find((name) => !TYPES.includes(name))
  if (wrong !== undefined || types.length === 0) {
    throw new SchemaError(path, `type ${JSON.stringify(wrong)} is none of ${TYPES.join(', ')}`)
  }
  // Whole numbers are numbers.
  return types.includes('number') ? types.filter((name) => name !== 'integer') : types
}

function refuseUnknown(keywords: string[], path: string) {
  const known = (name: string) => GENERAL.has(name) || Object.values(BY_TYPE).some((names) => names.includes(name))
  const unknown = keywords.find((name) => !known(name))
  if (unknown !== undefined) throw new SchemaError(path, `the keyword ${unknown} cannot be followed`)
}

export function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isSchema(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}
