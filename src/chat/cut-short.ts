/** The last events of an answer that ends because its budget does: a finish reason for every choice that has none, then the usage. */
import type { Usage } from '../contract/chat-completion.ts'
import type { ModelEvent } from './ports.ts'

/** Beside the finish reason `length`, which programs know: why. The field is vLLM's. */
export const STOP_REASON = 'insufficient_quota'

/** `last` names the answer; `open` are the choices without a finish reason. */
export function cutShort(last: ModelEvent, open: readonly number[], usage: Usage | undefined): ModelEvent[] {
  const head = { id: last.id, created: last.created, model: last.model }
  const why = { finish_reason: 'length', stop_reason: STOP_REASON } as const
  const ends: ModelEvent =
    last.object === 'text_completion'
      ? { ...head, object: last.object, choices: open.map((index) => ({ index, text: '', logprobs: null, ...why })) }
      : { ...head, object: last.object, choices: open.map((index) => ({ index, delta: {}, ...why })) }
  return usage ? [ends, { ...ends, choices: [], usage }] : [ends]
}
