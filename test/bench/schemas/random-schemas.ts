/** Random JSON schemas as programs write them: nested objects, arrays, enums, numbers within bounds, strings with lengths, patterns, formats. */

type Random = (below: number) => number
type Schema = Record<string, unknown>

const NAMES = [
  'name',
  'age',
  'city',
  'items',
  'status',
  'price',
  'tags',
  'id',
  'notes',
  'owner',
  'created_at',
  'score',
  'kind',
  'überschrift',
  'a"b',
]
const WORDS = ['red', 'green', 'blue', 'open', 'closed', 'pending', 'small', 'large', 'höher', 'a "quoted" word', '']
const PATTERNS = [
  '^[A-Z]{2,4}$',
  '^[a-z]+$',
  '^\\d{3}-\\d{4}$',
  '^(foo|bar)_[0-9]{1,3}$',
  '^[A-Z][a-z]*( [A-Z][a-z]*)?$',
  '^#[0-9a-f]{6}$',
  '^\\w+@\\w+\\.(com|org)$',
  'ab+c',
  '^v\\d+\\.\\d+\\.\\d+$',
]
const FORMATS = ['date', 'date-time', 'email', 'uuid', 'ipv4', 'time', 'uri']

/** The same `seed` gives the same schemas. */
export function randomSchemas(seed: number, count: number): Schema[] {
  const random = randomFrom(seed)
  return Array.from({ length: count }, () => objectSchema(random, 3))
}

function objectSchema(random: Random, depth: number): Schema {
  const names = shuffled(random, NAMES).slice(0, 1 + random(5))
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, anySchema(random, depth - 1)])),
    required: names.filter(() => random(3) > 0),
    ...(random(4) > 0 && { additionalProperties: false }),
  }
}

function anySchema(random: Random, depth: number): Schema {
  const simple = [
    stringSchema,
    stringSchema,
    numberSchema,
    numberSchema,
    enumSchema,
    () => ({ type: 'boolean' }),
    nullableSchema,
  ]
  const nested = [objectSchema, arraySchema, arraySchema, anyOfSchema]
  return pick(random, depth > 0 ? [...simple, ...nested] : simple)(random, depth)
}

function stringSchema(random: Random): Schema {
  const kind = random(6)
  if (kind === 0) return { type: 'string', pattern: pick(random, PATTERNS) }
  if (kind === 1) return { type: 'string', format: pick(random, FORMATS) }
  const min = random(8)
  return {
    type: 'string',
    ...(random(2) === 0 && { minLength: min }),
    ...(random(2) === 0 && { maxLength: min + random(40) }),
  }
}

function numberSchema(random: Random): Schema {
  const type = pick(random, ['integer', 'number'])
  const low = random(2_000) - 1_000 + (type === 'number' ? random(100) / 100 : 0)
  const high = low + 1 + random(5_000)
  if (type === 'integer' && random(6) === 0) return { type, multipleOf: 1 + random(20), minimum: -100, maximum: 400 }
  return {
    type,
    ...(random(2) === 0 && { [pick(random, ['minimum', 'exclusiveMinimum'])]: low }),
    ...(random(2) === 0 && { [pick(random, ['maximum', 'exclusiveMaximum'])]: high }),
  }
}

function enumSchema(random: Random): Schema {
  if (random(4) === 0) return { const: pick<unknown>(random, [...WORDS, 7, true, null]) }
  const values = shuffled<unknown>(random, [...WORDS, 1, 2.5, null, false]).slice(0, 2 + random(4))
  return { enum: values }
}

function nullableSchema(random: Random): Schema {
  return { type: [pick(random, ['string', 'integer', 'boolean']), 'null'] }
}

function arraySchema(random: Random, depth: number): Schema {
  const min = random(3)
  return {
    type: 'array',
    items: anySchema(random, depth - 1),
    ...(random(2) === 0 && { minItems: min }),
    ...(random(2) === 0 && { maxItems: min + 1 + random(4) }),
  }
}

function anyOfSchema(random: Random, depth: number): Schema {
  return { anyOf: [anySchema(random, depth - 1), numberSchema(random), { type: 'null' }] }
}

const pick = <Item>(random: Random, items: readonly Item[]): Item => items[random(items.length)] as Item // Sound: the index is below the length.

function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, at: random(1_000_000) }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

/** Mulberry32. */
function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}
