/** OpenAI's `response_format`: which grammar the answer is held to. */
import * as z from 'zod/mini'
import type { GrammarSource } from '../grammar/grammar-source.ts'
import { objectGrammar, SCHEMA_CHARS_MAX, schemaToGrammar } from '../grammar/schema-to-grammar.ts'
import { parseField, refusedSchema } from './check-grammar.ts'

const SCHEMA_PARAM = 'response_format.json_schema.schema'

/** `strict: false` is no permission to answer otherwise: an answer that keeps to the schema is one of those that it allows. */
const formatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string().check(z.minLength(1), z.maxLength(256)),
      description: z.nullish(z.string()),
      schema: z.optional(z.looseObject({})),
      strict: z.nullish(z.boolean()),
    }),
  }),
])

/** Null where the answer is free. @throws RequestError for a schema that cannot be followed, with the reason */
export function readResponseFormat(given: unknown): GrammarSource | null {
  if (given === undefined || given === null) return null
  const format = parseField(formatSchema, given, 'response_format')
  if (format.type === 'text') return null
  const schema = format.type === 'json_schema' ? format.json_schema.schema : undefined
  if (schema !== undefined && JSON.stringify(schema).length > SCHEMA_CHARS_MAX) {
    throw refusedSchema(SCHEMA_PARAM, `it has more than ${SCHEMA_CHARS_MAX} characters`)
  }
  const grammar = schema === undefined ? objectGrammar() : schemaToGrammar(schema)
  if (!grammar.ok) throw refusedSchema(SCHEMA_PARAM, grammar.message)
  return grammar.source
}
