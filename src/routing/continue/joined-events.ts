/** A continuation's events as part of the answer that they go on with: its id, its choice, and nothing that was said before. */
import type { ModelEvent } from '../../chat/ports.ts'
import type { ChatChunkChoice, Join, Usage } from '../../contract/chat-completion.ts'
import type { Said } from './said.ts'
import { type OverlapTrimmer, overlapTrimmer } from './trim-overlap.ts'

type Choice = ModelEvent['choices'][number]

export type JoinedEvents = {
  push(events: readonly ModelEvent[]): ModelEvent[]
  /** The last that the target reported. */
  usage(): Usage | undefined
}

type Options = {
  said: Said
  /** The choice that goes on; undefined where all of them begin anew. */
  index: number | undefined
  /** What the caller has of it, where the target may repeat it. */
  trims: string | undefined
  /** Another model's ids would be wrong among the first's, as would those of words that are left out. */
  keepsIds: boolean
  /** Every join of the choice, for its last event. */
  joins: readonly Join[]
}

export function joinedEvents({ said, index, trims, keepsIds, joins }: Options): JoinedEvents {
  const trimmer = trims === undefined ? undefined : overlapTrimmer(trims)
  const keptLogprobs = trimmer && heldLogprobs(trimmer)
  const head = said.head()
  let usage: Usage | undefined

  function joinedChoice(choice: Choice): Choice {
    const at = index ?? choice.index
    const { token_ids, ...rest } = choice
    // Sound: the choice keeps its kind.
    let piece = { ...rest, index: at, ...(keepsIds && token_ids ? { token_ids } : {}) } as Choice
    if (said.promptIds() !== undefined && 'prompt_token_ids' in piece) piece = without(piece, 'prompt_token_ids')
    if ('delta' in piece) {
      if (said.choice(at).opened) piece = { ...piece, delta: without(piece.delta, 'role') }
      if (trimmer) piece = trimmed(piece, trimmer)
    }
    if (keptLogprobs && piece.logprobs) piece = { ...piece, logprobs: keptLogprobs(piece.logprobs) }
    if (piece.finish_reason && joins.length > 0) piece = { ...piece, perigee: { ...piece.perigee, joined: [...joins] } }
    return piece
  }

  function joinedEvent(event: ModelEvent): ModelEvent | undefined {
    if (event.usage) usage = event.usage
    const choices = event.choices.map(joinedChoice).filter(saysSomething)
    const tellsPrompt = said.promptIds() === undefined && 'prompt_token_ids' in event
    // What a part cost is told with the whole (whole-usage.ts); of an answer that began anew it is the whole.
    const tellsUsage = index === undefined && event.usage
    if (choices.length === 0 && !tellsPrompt && !tellsUsage) return undefined
    let rest: ModelEvent = event
    if (!tellsUsage && 'usage' in rest) rest = without(rest, 'usage')
    if (!tellsPrompt && 'prompt_token_ids' in rest) rest = without(rest, 'prompt_token_ids')
    // Sound: each choice keeps its kind.
    return { ...rest, ...(head && { id: head.id, created: head.created }), choices } as ModelEvent
  }

  return {
    push: (events) => events.flatMap((event) => joinedEvent(event) ?? []),
    usage: () => usage,
  }
}

function trimmed(choice: ChatChunkChoice, trimmer: OverlapTrimmer): ChatChunkChoice {
  const { content } = choice.delta
  const isText = typeof content === 'string'
  const saysMore = choice.finish_reason !== null || Object.keys(choice.delta).some((field) => field !== 'content')
  const text = (isText ? trimmer.push(content) : '') + (saysMore ? trimmer.end() : '')
  return isText || text !== '' ? { ...choice, delta: { ...choice.delta, content: text } } : choice
}

/** Without those of tokens that are left out; they wait as long as their text does. */
function heldLogprobs(trimmer: OverlapTrimmer): (logprobs: unknown) => unknown {
  let held: unknown[] = []
  let chars = 0
  return (logprobs) => {
    if (!isRecord(logprobs) || !Array.isArray(logprobs.content)) return logprobs
    held.push(...logprobs.content)
    const left = trimmer.left()
    if (left === undefined) return null
    const content = held.filter((entry) => {
      const before = chars
      chars += isRecord(entry) && typeof entry.token === 'string' ? entry.token.length : 0
      return before >= left
    })
    held = []
    return { ...logprobs, content }
  }
}

function saysSomething(choice: Choice): boolean {
  if (choice.finish_reason || choice.token_ids?.length) return true
  if (isRecord(choice.logprobs) || 'prompt_token_ids' in choice) return true
  if ('text' in choice) return choice.text !== ''
  return Object.values(choice.delta).some((value) => value !== '' && value !== null && value !== undefined)
}

function without<T extends object>(value: T, field: string): T {
  // Sound: only optional fields are left out.
  const { [field as keyof T]: _, ...rest } = value
  return rest as T
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
