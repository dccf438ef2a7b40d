/** Whether an answer may be taken up from its text alone. */
import type { ModelRequest } from '../../chat/ports.ts'
import type { SaidChoice } from './said.ts'

/** Server's names for an answer that is held to a form. A target would begin the form anew, in the middle of the answer. */
const FORMS = [
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structured_outputs',
  'grammar',
  'json_schema',
]

/**
 * Not where the text is held to a form that the target would begin anew, nor inside a tool call, nor where more than text was said: then
 * what comes would look whole and be wrong.
 */
export function mayGoOnInWords({ body }: ModelRequest, choice: SaidChoice): boolean {
  if (choice.text === '' || choice.hasCalls || choice.hasOther || body.echo === true) return false
  if (FORMS.some((field) => isGiven(body[field]))) return false
  const { response_format, tool_choice } = body
  if (isGiven(response_format) && typeOf(response_format) !== 'text') return false
  return !isGiven(tool_choice) || tool_choice === 'auto' || tool_choice === 'none'
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function typeOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined
}
