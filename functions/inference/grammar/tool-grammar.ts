/** What an answer may be when there are tools: calls whose arguments follow the tool's schema, with free text around them or without. */
import { CALL_HEAD, CALL_MIDDLE, CALL_TAIL, TOOL_CALL_BEGIN, TOOL_CALL_END } from '../text/tool-calls.ts'
import { addNode, type Conversion, type Converted, isSchema } from './conversion.ts'
import { anyOf, literal, SchemaError } from './grammar-writer.ts'
import { anyObject } from './json-text.ts'
import { convertSchema } from './schema-nodes.ts'
import { type GrammarResult, writeGrammar } from './schema-to-grammar.ts'

export type Tool = {
  /** Letters, digits, `_` and `-`. */
  name: string
  /** JSON schema of an object. Undefined: no parameters. */
  parameters: unknown
  /** Otherwise a schema that cannot be followed becomes any object, where the model is free to call or not. */
  isStrict: boolean
}

export type ToolChoice = {
  /** Whether there must be a call. */
  isForced: boolean
  isParallel: boolean
}

/** Calls in one answer that must have some; a model that has lost its way would go on calling. */
const CALLS_MAX = 16

/** The error names the tool. */
export function toolGrammar(tools: readonly Tool[], { isForced, isParallel }: ToolChoice): GrammarResult {
  const result = writeGrammar((conversion) => {
    const calls = tools.map((tool) => convertCall(conversion, tool, isForced))
    const call = anyOf(calls.map(({ rule }) => rule))
    const nodes = calls.flatMap((converted) => converted.nodes)
    if (!isForced) return { rule: call, nodes }
    const whole = conversion.writer.rule(`${literal(TOOL_CALL_BEGIN)} ${call} ${literal(TOOL_CALL_END)}`)
    return { rule: isParallel ? `${whole} ("\\n" ${whole}){0,${CALLS_MAX - 1}}` : whole, nodes }
  })
  if (!result.ok) return result
  const free = isForced ? null : isParallel ? 'often' : 'once'
  return { ok: true, source: { ...result.source, tag: { begin: TOOL_CALL_BEGIN, end: TOOL_CALL_END, free } } }
}

/** From behind the one tag to before the other. */
function convertCall(conversion: Conversion, tool: Tool, isForced: boolean): Converted {
  const inner = convertArguments(conversion, tool, isForced)
  const head = literal(`${CALL_HEAD}${tool.name}${CALL_MIDDLE}`)
  const node = addNode(conversion, {
    properties: { name: [addNode(conversion, { text: 'by grammar' })], arguments: inner.nodes },
    constants: { name: [tool.name] },
  })
  return { rule: conversion.writer.rule(`${head} ${inner.rule} ${literal(CALL_TAIL)}`), nodes: [node] }
}

function convertArguments(conversion: Conversion, { name, parameters, isStrict }: Tool, isForced: boolean): Converted {
  const schema = parameters ?? { type: 'object', additionalProperties: false }
  try {
    if (!isSchema(schema)) throw new SchemaError('#', 'parameters must be a JSON schema of an object')
    if (schema.type !== undefined && schema.type !== 'object')
      throw new SchemaError('#', 'parameters must be of type object')
    return convertSchema(conversion, schema, schema.$ref === undefined ? { type: 'object', ...schema } : schema)
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error
    if (!isStrict && !isForced) return { rule: anyObject(conversion.writer), nodes: [] }
    throw new SchemaError('#', `the parameters of ${name}, ${error.path}: ${error.message}`)
  }
}
