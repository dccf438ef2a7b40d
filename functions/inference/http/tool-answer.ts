/** An answer that may call tools, in OpenAI's shapes: text beside calls, each call's id and name first, then its arguments in pieces. */
import { createHash } from 'node:crypto'
import { createToolCallParser, type ToolCallEvent } from '../text/tool-calls.ts'
import type { AnswerPlan } from './answer-plan.ts'

export type ToolAnswer = {
  /** The `delta` for text of the model, in any pieces; null when there is nothing to tell yet. */
  push(text: string): Delta | null
  /** What is left. */
  end(): Delta | null
  /** Whether a call was found, sent before or not. */
  hasCalls(): boolean
}

type Delta = { content?: string; tool_calls?: CallDelta[] }
type CallDelta = { index: number; id?: string; type?: 'function'; function: { name?: string; arguments: string } }

/**
 * @param sentChars UTF-16 code units that the caller already has: of the content, and of the names and arguments of calls. A call's id
 * comes with its name.
 */
export function createToolAnswer(plan: Pick<AnswerPlan, 'prompt' | 'sampling'>, sentChars: number): ToolAnswer {
  const parser = createToolCallParser()
  let toSkip = sentChars
  let calls = 0

  function unsent(text: string) {
    const rest = text.slice(toSkip)
    toSkip = Math.max(0, toSkip - text.length)
    return rest
  }

  function deltaOf(events: ToolCallEvent[]): Delta | null {
    let content = ''
    const found: CallDelta[] = []
    for (const event of events) {
      if (event.type === 'text') {
        content += unsent(event.text)
        continue
      }
      if (event.type === 'call') {
        calls++
        if (unsent(event.name) === '') continue
        const { index, name } = event
        found.push({ index, id: callId(plan, index), type: 'function', function: { name, arguments: '' } })
        continue
      }
      const text = unsent(event.text)
      if (text === '') continue
      const last = found.at(-1)
      if (last?.index === event.index) last.function.arguments += text
      else found.push({ index: event.index, function: { arguments: text } })
    }
    if (content === '' && found.length === 0) return null
    return { ...(content !== '' && { content }), ...(found.length > 0 && { tool_calls: found }) }
  }

  return {
    push: (text) => deltaOf(parser.push(text)),
    end: () => deltaOf(parser.end()),
    hasCalls: () => calls > 0,
  }
}

/** The message of a whole answer. */
export function toolMessage(answer: ToolAnswer, text: string): { content: string | null; tool_calls?: object[] } {
  const deltas = [answer.push(text), answer.end()]
  const content = deltas.map((delta) => delta?.content ?? '').join('')
  const calls = deltas.flatMap((delta) => delta?.tool_calls ?? []).map(({ index: _, ...call }) => call)
  return {
    content: content === '' && calls.length > 0 ? null : content,
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

/** The same on every replica that goes on with an answer, and another for every other answer. */
function callId({ prompt, sampling }: Pick<AnswerPlan, 'prompt' | 'sampling'>, index: number): string {
  const what = JSON.stringify([sampling.seed, sampling.choice, index, prompt])
  return `call_${createHash('sha256').update(what).digest('hex').slice(0, 24)}`
}
