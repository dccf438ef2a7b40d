/**
 * Fewer events that say the same: neighbours that only add text become one, so that a remembered answer is cheap to send. What is
 * anything else (a role, log probabilities, a finish reason, a field that nobody here knows) stays as it came.
 */
import type { ModelEvent } from '../chat/ports.ts'

/** A replayed stream still comes in pieces, of a few lines each. */
const PIECE_CHARS_MAX = 512

type Choice = ModelEvent['choices'][number]

/** What is being joined. Written into the list when it ends. */
type Run = { head: string; text: string; tokenIds: number[] | undefined; first: ModelEvent; pieces: number }

/** Does not change what it is given. */
export function joinPieces(events: Iterable<ModelEvent>): ModelEvent[] {
  const joined: ModelEvent[] = []
  let run: Run | undefined
  const end = () => {
    if (run) joined.push(run.pieces === 1 ? run.first : withText(run.first, run.text, run.tokenIds))
    run = undefined
  }
  for (const event of events) {
    const text = onlyText(event)
    if (text === undefined) {
      end()
      joined.push(event)
      continue
    }
    const head = headOf(event)
    const tokenIds = event.choices[0]?.token_ids
    if (run && (run.head !== head || run.text.length + text.length > PIECE_CHARS_MAX || !run.tokenIds !== !tokenIds)) {
      end()
    }
    run ??= { head, text: '', tokenIds: tokenIds && [], first: event, pieces: 0 }
    run.text += text
    if (tokenIds) run.tokenIds?.push(...tokenIds)
    run.pieces += 1
  }
  end()
  return joined
}

/** The text that the event adds, if that is all it does. */
function onlyText(event: ModelEvent): string | undefined {
  const [choice] = event.choices
  if (event.choices.length !== 1 || !choice) return undefined
  for (const field in event) if (!HEAD_FIELDS.has(field) && isGiven(event, field)) return undefined
  for (const field in choice) if (!CHOICE_FIELDS.has(field) && isGiven(choice, field)) return undefined
  if ('text' in choice) return typeof choice.text === 'string' ? choice.text : undefined
  for (const field in choice.delta) if (field !== 'content') return undefined
  return typeof choice.delta.content === 'string' ? choice.delta.content : undefined
}

const HEAD_FIELDS: ReadonlySet<string> = new Set(['id', 'object', 'created', 'model', 'system_fingerprint', 'choices'])
/** `finish_reason` and `logprobs`, where they are not null, make it more than text. */
const CHOICE_FIELDS: ReadonlySet<string> = new Set(['index', 'delta', 'text', 'token_ids'])

function isGiven(object: object, field: string): boolean {
  const value = (object as Record<string, unknown>)[field]
  return value !== null && value !== undefined
}

function headOf({ id, object, created, model, system_fingerprint, choices }: ModelEvent): string {
  return `${id}\n${object}\n${created}\n${model}\n${system_fingerprint}\n${choices[0]?.index}`
}

function withText(event: ModelEvent, text: string, tokenIds: number[] | undefined): ModelEvent {
  // Sound: `event` has exactly one choice, and only its text and ids change.
  const choice = event.choices[0] as Choice
  const more = tokenIds ? { token_ids: tokenIds } : {}
  const whole = 'text' in choice ? { ...choice, text, ...more } : { ...choice, delta: { content: text }, ...more }
  return { ...event, choices: [whole] } as ModelEvent
}
