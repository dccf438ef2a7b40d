/** What is remembered of an answer: the model's events before any filter, fewer of them than came, and as text for stores outside. */
import type { ModelEvent, OpenedAnswer } from '../chat/ports.ts'

export type StoredAnswer = {
  /** Milliseconds since 1970. */
  storedAt: number
  deployment: OpenedAnswer['deployment']
  /** Shared by all who read them: never to be changed. */
  events: readonly ModelEvent[]
  /** Of its text: how much memory it takes, about. */
  chars: number
}

/** Of one answer. 32,000 tokens with their ids have about half of it; a store outside may refuse more. */
export const ANSWER_CHARS_MAX = 500_000
/** What a text has beside its events. */
const ENVELOPE_CHARS_MAX = 4_096

/** Undefined when it is too long to be kept. */
export function toStored(answer: Omit<StoredAnswer, 'chars'>): StoredAnswer | undefined {
  const chars = JSON.stringify(answer.events).length
  return chars > ANSWER_CHARS_MAX ? undefined : { ...answer, chars }
}

export function toText({ storedAt, deployment, events }: StoredAnswer): string {
  return JSON.stringify({ storedAt, deployment, events })
}

/** Undefined for what is not such a text: a store outside may be written by others, and is read as a stranger. */
export function fromText(text: string): StoredAnswer | undefined {
  if (text.length > ANSWER_CHARS_MAX + ENVELOPE_CHARS_MAX) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(value) || !Number.isSafeInteger(value.storedAt) || !isObject(value.deployment)) return undefined
  const { storedAt, deployment, events } = value
  if (typeof deployment.id !== 'string' || typeof deployment.model !== 'string') return undefined
  if (!Array.isArray(events) || !events.every(isEvent) || !isComplete(events)) return undefined
  return {
    // Sound: checked two lines above.
    storedAt: storedAt as number,
    deployment: { id: deployment.id, model: deployment.model },
    events,
    chars: text.length,
  }
}

/** Whether the one choice has its end, and one that the model chose: what a server's own filter ended may be whole another time. */
export function isComplete(events: readonly ModelEvent[]): boolean {
  let ended = false
  for (const { choices } of events) {
    for (const { finish_reason: reason } of choices) {
      if (reason === null || reason === undefined) continue
      if (reason === 'content_filter') return false
      ended = true
    }
  }
  return ended
}

function isEvent(value: unknown): value is ModelEvent {
  if (!isObject(value) || !Array.isArray(value.choices)) return false
  const isKnown = value.object === 'chat.completion.chunk' || value.object === 'text_completion'
  return (
    isKnown &&
    value.choices.every((choice) => isObject(choice) && (isObject(choice.delta) || typeof choice.text === 'string'))
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
