/** OpenAI's `tools`, `tool_choice` and `parallel_tool_calls`: what the prompt shows, and what the answer is held to. */
import * as z from 'zod/mini'
import type { GrammarSource } from '../grammar/grammar-source.ts'
import { SCHEMA_CHARS_MAX } from '../grammar/schema-to-grammar.ts'
import { type Tool, toolGrammar } from '../grammar/tool-grammar.ts'
import { parseField, refusedSchema } from './check-grammar.ts'
import { RequestError } from './request-error.ts'

export type ToolRequest = {
  /** As the request has them, for the prompt. */
  shown: readonly unknown[]
  grammar: GrammarSource
}

/** OpenAI's limit. */
const TOOLS_MAX = 128

const name = z.string().check(z.regex(/^[a-zA-Z0-9_-]{1,64}$/))
const toolSchema = z.strictObject({
  type: z.literal('function'),
  function: z.strictObject({
    name,
    description: z.nullish(z.string()),
    parameters: z.nullish(z.looseObject({})),
    strict: z.nullish(z.boolean()),
  }),
})
const toolsSchema = z.array(toolSchema).check(z.maxLength(TOOLS_MAX))
const choiceSchema = z.union([
  z.enum(['none', 'auto', 'required']),
  z.strictObject({ type: z.literal('function'), function: z.strictObject({ name }) }),
])

/** Null where no tool may be called. @throws RequestError naming the field that is wrong */
export function readTools(request: Record<string, unknown>): ToolRequest | null {
  const tools = parseField(toolsSchema, request.tools ?? [], 'tools')
  const given = parseField(choiceSchema, request.tool_choice ?? 'auto', 'tool_choice')
  const isParallel = parseField(z.boolean(), request.parallel_tool_calls ?? true, 'parallel_tool_calls')
  if (given === 'none') return null
  if (tools.length === 0) {
    if (given === 'auto') return null
    throw new RequestError('invalid_request', 'tool_choice: there are no tools to choose from', 'tool_choice')
  }
  if (JSON.stringify(tools).length > SCHEMA_CHARS_MAX) {
    throw refusedSchema('tools', `they have more than ${SCHEMA_CHARS_MAX} characters`)
  }
  const names = tools.map((tool) => tool.function.name)
  const twice = names.find((one, index) => names.indexOf(one) !== index)
  if (twice !== undefined) throw new RequestError('invalid_request', `tools: there are two of name ${twice}`, 'tools')
  const wanted = typeof given === 'string' ? null : given.function.name
  if (wanted !== null && !names.includes(wanted)) {
    throw new RequestError('invalid_request', `tool_choice: there is no tool ${wanted}`, 'tool_choice')
  }
  const callable = tools.filter((tool) => wanted === null || tool.function.name === wanted)
  const grammar = toolGrammar(
    callable.map((tool): Tool => {
      const { name: called, parameters, strict } = tool.function
      return { name: called, parameters: parameters ?? undefined, isStrict: strict === true }
    }),
    { isForced: given !== 'auto', isParallel: isParallel && wanted === null },
  )
  if (!grammar.ok) throw refusedSchema('tools', grammar.message)
  return { shown: tools, grammar: grammar.source }
}
