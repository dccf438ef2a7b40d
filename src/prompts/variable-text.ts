/** The value of a variable as text, or what is wrong with it: a sentence's end that begins with "must". */
import type { Variable } from '../contract/prompt-template.ts'
import type { VariableValue } from '../contract/prompted-chat.ts'

export type ValueText = { ok: true; text: string } | { ok: false; problem: string }

export function variableText(variable: Variable, value: VariableValue): ValueText {
  return BY_TYPE[variable.type](variable, value)
}

const BY_TYPE: Readonly<Record<Variable['type'], (variable: Variable, value: VariableValue) => ValueText>> = {
  text(variable, value) {
    // A number or a truth has one obvious spelling; a list has many.
    if (Array.isArray(value)) return wrong('must be text')
    return bounded(variable, String(value))
  },
  number({ minimum, maximum }, value) {
    if (typeof value !== 'number') return wrong('must be a number')
    if (minimum !== undefined && value < minimum) return wrong(`must be at least ${minimum}`)
    if (maximum !== undefined && value > maximum) return wrong(`must be at most ${maximum}`)
    return { ok: true, text: String(value) }
  },
  boolean: (_, value) =>
    typeof value === 'boolean' ? { ok: true, text: String(value) } : wrong('must be true or false'),
  list(variable, value) {
    if (!Array.isArray(value) || value.length === 0) return wrong('must be a list of texts with at least 1 item')
    const long = value.map((item) => bounded(variable, item)).find(({ ok }) => !ok)
    return long ?? { ok: true, text: value.join(variable.separator ?? ', ') }
  },
  choice({ options = [] }, value) {
    if (typeof value === 'string' && options.includes(value)) return { ok: true, text: value }
    return wrong(`must be one of ${options.map((option) => JSON.stringify(option)).join(', ')}`)
  },
}

function bounded({ max_chars }: Variable, text: string): ValueText {
  if (max_chars === undefined || text.length <= max_chars) return { ok: true, text }
  return wrong(`must have at most ${max_chars} characters`)
}

function wrong(problem: string): ValueText {
  return { ok: false, problem }
}
