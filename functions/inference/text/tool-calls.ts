/**
 * Finds tool calls in an answer's text as it comes, in the form that Hermes and Qwen models were taught and that tool-prompt.ts asks for:
 *
 *     <tool_call>
 *     {"name": "...", "arguments": {...}}
 *     </tool_call>
 *
 * A grammar has seen to the form (grammar/tool-grammar.ts). The result does not depend on how the text was cut.
 */
export const TOOL_CALL_BEGIN = '<tool_call>'
export const TOOL_CALL_END = '</tool_call>'
export const TOOL_RESPONSE_BEGIN = '<tool_response>'
export const TOOL_RESPONSE_END = '</tool_response>'
/** What stands between the tags, around the name and the arguments. */
export const CALL_HEAD = '\n{"name": "'
export const CALL_MIDDLE = '", "arguments": '
export const CALL_TAIL = '}\n'

/** `index` counts the calls of an answer from 0. The pieces of one call's arguments are together a JSON object. */
export type ToolCallEvent =
  | { type: 'text'; text: string }
  | { type: 'call'; index: number; name: string }
  | { type: 'arguments'; index: number; text: string }

export type ToolCallParser = {
  push(piece: string): ToolCallEvent[]
  /** What was held back because it might have been the beginning of a tag. */
  end(): ToolCallEvent[]
}

type Phase = 'text' | 'head' | 'arguments' | 'tail'

/** Text beside calls is given as it is, except that blanks right before and after a call are not. */
export function createToolCallParser(): ToolCallParser {
  let phase: Phase = 'text'
  let buffer = ''
  let index = -1
  /** Whether only blanks came since the last call. */
  let isAfterCall = false
  let depth = 0
  let isInString = false
  let isEscaped = false

  function pushText(): ToolCallEvent[] {
    const at = buffer.indexOf(TOOL_CALL_BEGIN)
    const safe = at >= 0 ? buffer.slice(0, at).trimEnd().length : buffer.length - heldBack(buffer)
    const text = withoutBlanksAfterCall(buffer.slice(0, safe))
    const events: ToolCallEvent[] = text === '' ? [] : [{ type: 'text', text }]
    buffer = at >= 0 ? buffer.slice(at + TOOL_CALL_BEGIN.length) : buffer.slice(safe)
    if (at >= 0) phase = 'head'
    return events
  }

  function withoutBlanksAfterCall(text: string): string {
    if (!isAfterCall) return text
    const rest = text.trimStart()
    if (rest !== '') isAfterCall = false
    return rest
  }

  function pushHead(): ToolCallEvent[] {
    const nameAt = CALL_HEAD.length
    const nameEnd = buffer.indexOf(CALL_MIDDLE, nameAt)
    if (nameEnd < 0) return []
    const name = buffer.slice(nameAt, nameEnd)
    buffer = buffer.slice(nameEnd + CALL_MIDDLE.length)
    phase = 'arguments'
    return [{ type: 'call', index: ++index, name }]
  }

  function pushArguments(): ToolCallEvent[] {
    let at = 0
    while (at < buffer.length && phase === 'arguments') isLast(buffer[at++] ?? '')
    const text = buffer.slice(0, at)
    buffer = buffer.slice(at)
    return text === '' ? [] : [{ type: 'arguments', index, text }]
  }

  /** Follows the JSON to where its outermost bracket closes. */
  function isLast(character: string) {
    if (isEscaped) isEscaped = false
    else if (isInString && character === '\\') isEscaped = true
    else if (character === '"') isInString = !isInString
    else if (!isInString && (character === '{' || character === '[')) depth++
    else if (!isInString && (character === '}' || character === ']') && --depth === 0) phase = 'tail'
  }

  function pushTail(): ToolCallEvent[] {
    const at = buffer.indexOf(TOOL_CALL_END)
    if (at < 0) return []
    buffer = buffer.slice(at + TOOL_CALL_END.length)
    phase = 'text'
    isAfterCall = true
    return []
  }

  const steps: Record<Phase, () => ToolCallEvent[]> = {
    text: pushText,
    head: pushHead,
    arguments: pushArguments,
    tail: pushTail,
  }
  return {
    push(piece) {
      buffer += piece
      const events: ToolCallEvent[] = []
      for (let before: Phase | null = null; before !== phase; ) {
        before = phase
        events.push(...steps[before]())
      }
      return events
    },
    end() {
      // A call that was cut off is no text, and what of it is arguments was given.
      const text = phase === 'text' ? withoutBlanksAfterCall(buffer) : ''
      buffer = ''
      return text === '' ? [] : [{ type: 'text', text }]
    },
  }
}

/** How much of the end may belong to a call: blanks, and the beginning of a tag. */
function heldBack(text: string): number {
  let tag = Math.min(text.length, TOOL_CALL_BEGIN.length - 1)
  while (tag > 0 && !TOOL_CALL_BEGIN.startsWith(text.slice(-tag))) tag--
  const before = text.slice(0, text.length - tag)
  return tag + before.length - before.trimEnd().length
}
