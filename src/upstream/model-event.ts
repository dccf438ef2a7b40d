/** One event of OpenAI's stream from its text: what it is, checked as far as we rely on it. */
import type { ModelEvent } from '../chat/ports.ts'

export type ParsedEvent =
  | { kind: 'event'; event: ModelEvent; finishedChoices: readonly number[] }
  | { kind: 'error'; body: unknown }
  | { kind: 'malformed' }

const MALFORMED: ParsedEvent = { kind: 'malformed' }
const NONE: readonly number[] = []

/** Finish reasons by which some servers say that they failed. */
const FAILED = new Set(['error', 'abort'])

/** By hand rather than by schema: this runs for every token. Fields that we do not read are passed on as they came. */
export function parseModelEvent(data: string): ParsedEvent {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return MALFORMED
  }
  if (typeof value !== 'object' || value === null) return MALFORMED
  if ('error' in value && value.error) return { kind: 'error', body: value }
  if (!('choices' in value) || !Array.isArray(value.choices)) return MALFORMED
  let finishedChoices = NONE
  for (const choice of value.choices) {
    if (typeof choice !== 'object' || choice === null || !Number.isInteger(choice.index) || choice.index < 0)
      return MALFORMED
    const isChat = typeof choice.delta === 'object' && choice.delta !== null
    if (!isChat && typeof choice.text !== 'string') return MALFORMED
    if (typeof choice.finish_reason !== 'string') continue
    if (FAILED.has(choice.finish_reason)) return { kind: 'error', body: undefined }
    finishedChoices = [...finishedChoices, choice.index]
  }
  // Sound: choices are checked above, and every reader treats the other fields as things to pass on.
  return { kind: 'event', event: value as unknown as ModelEvent, finishedChoices }
}
