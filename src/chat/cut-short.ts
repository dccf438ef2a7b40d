/** The last events of an answer that ends because its budget does: a finish reason for every choice, then the usage. */
import type { Usage } from '../contract/chat-completion.ts'
import type { ModelEvent } from './ports.ts'

/** `batch` is what arrived last and is not sent; it names the answer and its choices. */
export function cutShort(batch: readonly ModelEvent[], usage: Usage | undefined): ModelEvent[] {
  const last = batch.at(-1)
  if (!last) return []
  const indexes = new Set(batch.flatMap((event) => event.choices.map(({ index }) => index)))
  const head = { id: last.id, created: last.created, model: last.model }
  const ends: ModelEvent =
    last.object === 'text_completion'
      ? {
          ...head,
          object: last.object,
          choices: [...indexes].map((index) => ({ index, text: '', finish_reason: 'length', logprobs: null })),
        }
      : {
          ...head,
          object: last.object,
          choices: [...indexes].map((index) => ({ index, delta: {}, finish_reason: 'length' })),
        }
  return usage ? [ends, { ...ends, choices: [], usage }] : [ends]
}
