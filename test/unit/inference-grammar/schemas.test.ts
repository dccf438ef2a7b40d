import Ajv2020 from 'ajv/dist/2020.js'
import { describe, expect, test } from 'vitest'
import { objectGrammar, schemaToGrammar } from '../../../functions/inference/grammar/schema-to-grammar.ts'
import { randomSchemas } from '../../bench/schemas/random-schemas.ts'
import { randomText } from './small-vocabulary.ts'

const ajv = new Ajv2020({ strict: false, validateFormats: false })
const sourceOf = (schema: unknown) => {
  const result = schemaToGrammar(schema)
  if (!result.ok) throw new Error(`${JSON.stringify(schema)}: ${result.message}`)
  return result.source
}
const object = (properties: object, more: object = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
})
const WORD = { type: 'string', maxLength: 6 }

const SCHEMAS: [string, object][] = [
  ['text of a length', { type: 'string', minLength: 3, maxLength: 5 }],
  [
    'text of a length within',
    object({ a: WORD, b: { type: 'array', items: { type: 'string', minLength: 2, maxLength: 2 }, minItems: 2 } }),
  ],
  [
    'optional properties',
    {
      type: 'object',
      properties: { a: { type: 'null' }, b: WORD, c: { type: 'boolean' } },
      required: ['b'],
      additionalProperties: false,
    },
  ],
  [
    'names that are not given',
    {
      type: 'object',
      properties: { name: { type: 'null' }, na: { type: 'null' } },
      required: ['na'],
      additionalProperties: { type: 'integer' },
    },
  ],
  [
    'at least one of its properties',
    {
      type: 'object',
      properties: { a: { type: 'null' }, b: { type: 'null' } },
      minProperties: 1,
      additionalProperties: false,
    },
  ],
  [
    'at most two entries',
    { type: 'object', additionalProperties: { type: 'boolean' }, minProperties: 1, maxProperties: 2 },
  ],
  [
    'names of a pattern',
    { type: 'object', patternProperties: { '^x_[a-z]$': { type: 'integer' } }, additionalProperties: false },
  ],
  [
    'integers within bounds',
    { type: 'array', items: { type: 'integer', minimum: -13, exclusiveMaximum: 208 }, minItems: 4, maxItems: 6 },
  ],
  [
    'numbers within bounds',
    { type: 'array', items: { type: 'number', exclusiveMinimum: -1.25, maximum: 10.5 }, minItems: 4, maxItems: 6 },
  ],
  [
    'numbers within narrow bounds',
    { type: 'array', items: { type: 'number', minimum: 0.125, maximum: 0.13 }, minItems: 4, maxItems: 6 },
  ],
  ['multiples', { type: 'array', items: { type: 'integer', multipleOf: 7 }, minItems: 3, maxItems: 5 }],
  [
    'places of a tuple',
    {
      type: 'array',
      prefixItems: [{ type: 'null' }, { type: 'boolean' }],
      items: { type: 'integer' },
      minItems: 1,
      maxItems: 3,
    },
  ],
  ['constants and lists', { anyOf: [{ const: { a: [1, 'é"'] } }, { enum: ['x', null, 2.5, 'a\nb'] }] }],
  ['a pattern of a length', { type: 'string', pattern: '^[a-c]+$', minLength: 3, maxLength: 4 }],
  ['a pattern that is not anchored', { type: 'string', pattern: 'ab?[^a-y]{2}' }],
  ['a pattern with all that is known', { type: 'string', pattern: '^(?:\\d{2}|\\w-\\s?)(x|\\u0041|[^\\W_])\\.\\S*?$' }],
  ['a pattern of other letters', { type: 'string', pattern: '^[а-яё]{2,4}$' }],
  [
    'itself within',
    {
      $defs: { list: object({ value: WORD, next: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/list' }] } }) },
      $ref: '#/$defs/list',
    },
  ],
  [
    'alternatives told apart by a constant',
    {
      oneOf: [
        object({ kind: { const: 'a' }, text: WORD }),
        object({ kind: { const: 'b' }, text: { type: 'string', minLength: 9 } }),
      ],
    },
  ],
  [
    'parts that hold together',
    {
      allOf: [
        { type: 'object', properties: { a: WORD }, required: ['a'] },
        { properties: { b: { type: 'null' } }, required: ['b'] },
      ],
    },
  ],
  ['several types', { type: ['integer', 'string', 'null'], maxLength: 2, maximum: 5 }],
]

describe('whatever a model says that knows nothing, the answer validates:', () => {
  test.each(SCHEMAS)('%s', async (_, schema) => {
    const source = sourceOf(schema)
    for (let seed = 1; seed <= 12; seed++) {
      const { text, isComplete } = await randomText(source, seed, 160)
      expect(isComplete, text).toBe(true)
      expect(ajv.validate(schema, JSON.parse(text)), `${text} ${ajv.errorsText()}`).toBe(true)
    }
  })

  test('any object', async () => {
    const result = objectGrammar()
    if (!result.ok) throw new Error(result.message)
    for (let seed = 1; seed <= 12; seed++) {
      const { text, isComplete } = await randomText(result.source, seed, 120)
      expect(isComplete, text).toBe(true)
      expect(JSON.parse(text)).toBeTypeOf('object')
    }
  })

  test('random schemas', async () => {
    for (const [seed, schema] of randomSchemas(2, 40).entries()) {
      const { text, isComplete } = await randomText(sourceOf(schema), seed, 400)
      expect(isComplete, text).toBe(true)
      expect(ajv.validate(schema, JSON.parse(text)), `${JSON.stringify(schema)} ${text} ${ajv.errorsText()}`).toBe(true)
    }
  })
})

describe('an answer that comes near its limit of tokens', () => {
  const schema = object({
    list: { type: 'array', items: object({ name: { type: 'string' }, id: { type: 'integer' } }) },
    end: WORD,
  })

  test('is complete all the same', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { text, isComplete, ids } = await randomText(sourceOf(schema), seed, 110)
      expect(isComplete, text).toBe(true)
      expect(ids.length).toBeLessThanOrEqual(110)
      expect(ajv.validate(schema, JSON.parse(text)), text).toBe(true)
    }
  })

  test.each([110, 250])('goes on elsewhere from any token as it would have here (of %d)', async (maxTokens) => {
    for (let seed = 1; seed <= 2; seed++) {
      const whole = await randomText(sourceOf(schema), seed, maxTokens)
      for (let cut = 1; cut < whole.ids.length; cut += 3 + (cut % 5)) {
        const { ids } = await randomText(sourceOf(schema), seed, maxTokens, whole.ids.slice(0, cut))
        expect(ids, `cut after ${cut} tokens`).toEqual(whole.ids)
      }
    }
  })
})

test.each([
  [{ type: 'strin' }, 'type "strin"'],
  [{ type: 'array', uniqueItems: true }, 'uniqueItems'],
  [{ not: { type: 'null' } }, 'not'],
  [{ type: 'object', properties: { a: { if: {} } } }, '#/properties/a'],
  [{ $ref: '#/nowhere' }, 'points at nothing'],
  [{ $ref: '#' }, 'itself'],
  [{ $ref: 'https://example.org/schema' }, '$ref'],
  [{ oneOf: [{ type: 'string' }, { const: 'a' }] }, 'oneOf'],
  [{ type: 'string', pattern: '(a)\\1' }, '\\1'],
  [{ type: 'string', pattern: 'a^b' }, '^ and $'],
  [{ type: 'string', pattern: '(' }, 'no regular expression'],
  [{ type: 'string', pattern: 'a{9999}' }, 'repeats'],
  [{ type: 'string', format: 'colour' }, 'date-time'],
  [{ type: 'integer', minimum: 0.2, maximum: 0.8 }, 'no whole number'],
  [{ type: 'string', minLength: 3, maxLength: 2 }, 'minLength'],
  [{ anyOf: [{ type: 'string', maxLength: 2 }, { enum: ['longer'] }] }, 'limited in length'],
  [
    { allOf: [{ properties: { a: {} }, additionalProperties: false }, { properties: { b: {} } }] },
    'additionalProperties',
  ],
  [JSON.parse(`${'{"items":'.repeat(80)}{}${'}'.repeat(80)}`), 'deep'],
  [
    { enum: Array.from({ length: 60_000 }, (_, index) => `${(index * 2_654_435_761) % 2 ** 32} is a value`) },
    'too large',
  ],
  [null, 'must be an object'],
])('a schema that cannot be kept exactly is refused, with the place or the reason: %#', (schema, reason) => {
  expect(schemaToGrammar(schema)).toEqual({ ok: false, message: expect.stringContaining(reason) })
})
