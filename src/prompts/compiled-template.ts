/** A template that was checked and parsed, ready to be filled. Plain data. */
import type { ChatRequest } from '../contract/chat-completion.ts'
import type { Template, Variable } from '../contract/prompt-template.ts'
import type { VariableValue } from '../contract/prompted-chat.ts'
import { AppError } from '../errors.ts'
import { parseTemplateText, type TemplateText, variablesIn } from './template-text.ts'
import { variableText } from './variable-text.ts'

export type CompiledTemplate = {
  messages: readonly { role: Template['messages'][number]['role']; text: TemplateText }[]
  /** All that the messages use, the undescribed too. */
  variables: Readonly<Record<string, Variable>>
}

const UNDESCRIBED: Variable = { type: 'text' }

/** Throws invalid_request with the path of what is wrong: an open brace, a variable that no message uses, a default that its own type refuses. */
export function compileTemplate({ messages, variables }: Template): CompiledTemplate {
  const texts = messages.map(({ role, content }, index) => {
    const parsed = parseTemplateText(content)
    if (!parsed.ok) throw refused(`messages.${index}.content`, parsed.problem)
    return { role, text: parsed.text }
  })
  const used = new Set(texts.flatMap(({ text }) => variablesIn(text)))
  for (const [name, variable] of Object.entries(variables)) {
    const path = `variables.${name}`
    if (!used.has(name)) throw refused(path, 'must be used by a message, as {{name}}')
    if (variable.type === 'choice' && variable.options === undefined) {
      throw refused(`${path}.options`, 'must be given for a choice')
    }
    if (variable.default === undefined) continue
    const text = variableText(variable, variable.default)
    if (!text.ok) throw refused(`${path}.default`, text.problem)
  }
  return {
    messages: texts,
    variables: Object.fromEntries([...used].map((name) => [name, variables[name] ?? UNDESCRIBED])),
  }
}

/**
 * Fills every variable. `path` is where the caller wrote the values, as `prompt.variables`. Throws invalid_request for one that is
 * missing, unknown, or not as its description says; its text is not quoted.
 */
export function fillTemplate(
  { messages, variables }: CompiledTemplate,
  values: Readonly<Record<string, VariableValue>>,
  path: string,
): ChatRequest['messages'] {
  const unknown = Object.keys(values).find((name) => !Object.hasOwn(variables, name))
  if (unknown !== undefined) {
    const names = Object.keys(variables)
    throw refused(
      `${path}.${unknown}`,
      names.length === 0
        ? 'is no variable: this template has none'
        : `is no variable of it; it has ${names.join(', ')}`,
    )
  }
  const texts = new Map<string, string>()
  for (const [name, variable] of Object.entries(variables)) {
    const value = Object.hasOwn(values, name) ? values[name] : variable.default
    if (value === undefined) throw refused(`${path}.${name}`, 'is missing; the template needs it')
    const text = variableText(variable, value)
    if (!text.ok) throw refused(`${path}.${name}`, text.problem)
    texts.set(name, text.text)
  }
  return messages.map(({ role, text }) => ({
    role,
    content: text.map((part) => (typeof part === 'string' ? part : (texts.get(part.variable) ?? ''))).join(''),
  }))
}

function refused(param: string, problem: string): AppError {
  return new AppError('invalid_request', `${param} ${problem}.`, { param })
}
