/**
 * The text of a template's message: literal text, and `{{name}}` where a variable goes. `\{{` is two braces. Parsed once, filled in one
 * pass: what a variable says is never read as template text again, so it cannot name another variable, nor become another message.
 */
import { VARIABLE_NAME } from '../contract/prompted-chat.ts'

/** Plain data: it is remembered, and may be kept as JSON. */
export type TemplateText = readonly (string | { variable: string })[]

export type ParsedText = { ok: true; text: TemplateText } | { ok: false; problem: string }

export function parseTemplateText(source: string): ParsedText {
  const parts: (string | { variable: string })[] = []
  let literal = ''
  let position = 0
  for (;;) {
    const open = source.indexOf('{{', position)
    if (open === -1) break
    if (source[open - 1] === '\\' && open > position) {
      literal += `${source.slice(position, open - 1)}{{`
      position = open + 2
      continue
    }
    const close = source.indexOf('}}', open)
    if (close === -1) return { ok: false, problem: 'must close each {{ with }}; \\{{ is two braces' }
    const name = source.slice(open + 2, close).trim()
    if (!VARIABLE_NAME.test(name)) {
      return { ok: false, problem: 'must have the name of a variable between {{ and }}; \\{{ is two braces' }
    }
    literal += source.slice(position, open)
    if (literal !== '') parts.push(literal)
    literal = ''
    parts.push({ variable: name })
    position = close + 2
  }
  literal += source.slice(position)
  if (literal !== '') parts.push(literal)
  return { ok: true, text: parts }
}

export function variablesIn(text: TemplateText): string[] {
  return text.flatMap((part) => (typeof part === 'string' ? [] : [part.variable]))
}
