/** Arrays of a schema as a rule. */
import { addNode, type Conversion, type Convert, type Converted, count, isSchema, type Schema } from './conversion.ts'
import { SchemaError } from './grammar-writer.ts'
import { space } from './json-text.ts'

/** Each count is a state of the grammar. */
const COUNT_MAX = 1_024

export function arrayRule(conversion: Conversion, schema: Schema, convert: Convert, path: string): Converted {
  const { writer } = conversion
  const min = count(schema, 'minItems', path) ?? 0
  const max = count(schema, 'maxItems', path)
  if (max !== null && max < min) throw new SchemaError(path, 'minItems is above maxItems')
  if (Math.max(min, max ?? 0) > COUNT_MAX)
    throw new SchemaError(path, `minItems and maxItems may be ${COUNT_MAX} at most`)
  if (schema.uniqueItems === true && (max === null || max > 1)) {
    throw new SchemaError(path, 'uniqueItems cannot be followed')
  }
  const places = prefixOf(schema, path).map((item, index) => convert(item, `prefixItems/${index}`))
  const items = Array.isArray(schema.items) ? (schema.additionalItems ?? true) : schema.items
  // As many as there may be of those without a place of their own.
  const restMax = items === false ? 0 : max === null ? null : Math.max(0, max - places.length)
  const rest = restMax === 0 ? null : convert(items ?? true, 'items')
  if (restMax === 0 && min > places.length) throw new SchemaError(path, 'minItems is more than may be')
  const node = addNode(conversion, {
    items: places.map(({ nodes }) => nodes),
    ...(rest !== null && { rest: rest.nodes }),
  })

  const between = space(writer)
  const comma = writer.rule(`${between} "," ${between}`)
  const close = writer.rule(`${between} "]"`)
  const shown = max === null ? places : places.slice(0, max)
  /** What may follow `place` items, from the last to the first, so that each rule names one that exists. */
  let following = endOfRest(Math.max(0, min - places.length), restMax)
  for (let place = shown.length - 1; place >= 0; place--) {
    const item = shown[place]?.rule
    const body = place === 0 ? `${item} ${following}` : `${comma} ${item} ${following}`
    following = writer.rule(place >= min ? `${body} | ${close}` : body)
  }
  return { rule: writer.rule(`"[" ${between} ${following}`), nodes: [node] }

  function endOfRest(restMin: number, most: number | null): string {
    if (rest === null || most === 0) return close
    const more = writer.rule(`${comma} ${rest.rule}`)
    const isFirst = shown.length === 0
    if (!isFirst) return writer.rule(`${more}{${restMin},${most ?? ''}} ${close}`)
    const some = `${rest.rule} ${more}{${Math.max(0, restMin - 1)},${most === null ? '' : most - 1}} ${close}`
    return writer.rule(restMin === 0 ? `${close} | ${some}` : some)
  }
}

function prefixOf(schema: Schema, path: string): unknown[] {
  const prefix = Array.isArray(schema.items) ? schema.items : (schema.prefixItems ?? [])
  if (Array.isArray(prefix)) return prefix
  throw new SchemaError(path, `prefixItems must be a list${isSchema(prefix) ? ', not a schema' : ''}`)
}
