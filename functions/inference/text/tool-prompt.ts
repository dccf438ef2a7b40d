/**
 * Tools for a model whose chat template knows none: the section of the system message, and the form of calls and results in a conversation,
 * with which Hermes and Qwen models were trained.
 */
import { TOOL_CALL_BEGIN, TOOL_CALL_END, TOOL_RESPONSE_BEGIN, TOOL_RESPONSE_END } from './tool-calls.ts'

type Message = Record<string, unknown>

/** `tools` as OpenAI's requests have them. */
export const toolSection = (tools: readonly unknown[]): string =>
  [
    '# Tools',
    '',
    'You may call one or more functions to assist with the user query.',
    '',
    'You are provided with function signatures within <tools></tools> XML tags:',
    '<tools>',
    ...tools.map((tool) => JSON.stringify(tool)),
    '</tools>',
    '',
    `For each function call, return a json object with function name and arguments within ${TOOL_CALL_BEGIN}${TOOL_CALL_END} XML tags:`,
    TOOL_CALL_BEGIN,
    '{"name": <function-name>, "arguments": <args-json-object>}',
    TOOL_CALL_END,
  ].join('\n')

/** The same conversation in system, user and assistant messages of plain text. */
export function withoutToolRoles(messages: readonly Message[], tools: readonly unknown[]): Message[] {
  const plain: Message[] = []
  for (const message of messages) {
    if (message.role === 'assistant' && Array.isArray(message.tool_calls)) {
      const { tool_calls: calls, ...rest } = message
      const parts = [...(message.content ? [message.content] : []), ...calls.map(callText)]
      plain.push({ ...rest, content: parts.join('\n') })
    } else if (message.role === 'tool') {
      const response = `${TOOL_RESPONSE_BEGIN}\n${message.content}\n${TOOL_RESPONSE_END}`
      const last = plain.at(-1)
      // Results of calls that were made together are one turn.
      if (last?.isResult === true) last.content = `${last.content}\n${response}`
      else plain.push({ role: 'user', content: response, isResult: true })
    } else plain.push(message)
  }
  if (tools.length === 0) return plain
  const [first, ...others] = plain
  const section = toolSection(tools)
  return first?.role === 'system'
    ? [{ ...first, content: `${first.content}\n\n${section}` }, ...others]
    : [{ role: 'system', content: section }, ...plain]
}

function callText(call: unknown): string {
  // Sound because chat-template.ts has brought every call into this form.
  const { function: called } = call as { function: { name: string; arguments: unknown } }
  return `${TOOL_CALL_BEGIN}\n${JSON.stringify({ name: called.name, arguments: called.arguments })}\n${TOOL_CALL_END}`
}
