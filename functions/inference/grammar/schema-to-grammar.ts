/**
 * A JSON schema as a grammar whose every text validates. A subset of what the schema allows is enough (properties come in the schema's order,
 * none that it does not name, numbers have no exponent); what cannot be kept exactly is refused with the place and the reason, never ignored.
 */
import type { Conversion, Converted } from './conversion.ts'
import type { GrammarSource } from './grammar-source.ts'
import { createGrammarWriter, type GrammarWriter, SchemaError } from './grammar-writer.ts'
import { anyObject } from './json-text.ts'
import { convertSchema } from './schema-nodes.ts'
import { finishLimits } from './string-limits.ts'

export type GrammarResult = { ok: true; source: GrammarSource } | { ok: false; message: string }

/** UTF-16 code units of a schema as JSON; OpenAI allows 120,000 for names and values together. */
export const SCHEMA_CHARS_MAX = 262_144

export function schemaToGrammar(schema: unknown): GrammarResult {
  return writeGrammar((conversion) => convertSchema(conversion, schema, schema))
}

/** Any JSON object. */
export function objectGrammar(): GrammarResult {
  return writeGrammar(({ writer }) => ({ rule: anyObject(writer), nodes: [] }))
}

/** For whoever puts several schemas, or text around one, into one grammar. */
export function writeGrammar(write: (conversion: Conversion) => Converted): GrammarResult {
  const writer: GrammarWriter = createGrammarWriter()
  const conversion: Conversion = { writer, nodes: [], refs: new Map(), budget: { nodes: 0 } }
  try {
    const { rule, nodes } = write(conversion)
    return { ok: true, source: { text: writer.finish(rule), limits: finishLimits(conversion.nodes, nodes) } }
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error
    return { ok: false, message: error.path === '#' ? error.message : `at ${error.path}: ${error.message}` }
  }
}
