/**
 * The rest of an answer from a model that was asked again, after the request that read the first stream was lost. Only for requests to
 * which the model gives the same answer; and that it does so is checked, token by token of what was said.
 */
import type { ModelEvent, ModelEventStream } from '../chat/ports.ts'
import { AppError } from '../errors.ts'

type Choice = ModelEvent['choices'][number]

/** Throws upstream_interrupted when the new answer begins otherwise, or when what was said is more than text. */
export function afterWhatWasSaid(events: ModelEventStream, said: readonly ModelEvent[]): ModelEventStream {
  const text = said.map(textOf).join('')
  const ids = said.flatMap((event) => event.choices[0]?.token_ids ?? [])
  const [head] = said
  if (!head || !said.every(isPlain)) throw interrupted()
  return rest(events, { text, ids, head })
}

type Said = { text: string; ids: readonly number[]; head: ModelEvent }

async function* rest(events: ModelEventStream, { text, ids, head }: Said): AsyncGenerator<readonly ModelEvent[]> {
  let textAt = 0
  let idsAt = 0

  /** What of the event is new; undefined when nothing is. */
  function news(event: ModelEvent): ModelEvent | undefined {
    const [choice] = event.choices
    const named = { ...event, id: head.id, created: head.created }
    if (!choice) return named
    const piece = textOf(event)
    const knownText = Math.min(piece.length, text.length - textAt)
    const pieceIds = choice.token_ids ?? []
    const knownIds = Math.min(pieceIds.length, ids.length - idsAt)
    const isSame =
      text.startsWith(piece.slice(0, knownText), textAt) &&
      pieceIds.slice(0, knownIds).every((id, index) => id === ids[idsAt + index])
    if (!isSame || (choice.finish_reason && textAt + knownText < text.length)) throw interrupted()
    textAt += knownText
    idsAt += knownIds
    const isOld = knownText === piece.length && knownIds === pieceIds.length
    if (isOld && !choice.finish_reason && !event.usage) return undefined
    const { prompt_token_ids: _, ...rest } = named as typeof named & { prompt_token_ids?: number[] }
    return { ...rest, choices: [withNews(choice, piece.slice(knownText), pieceIds.slice(knownIds))] } as ModelEvent
  }

  for await (const batch of events) {
    const fresh = batch.map(news).filter((event) => event !== undefined)
    if (fresh.length > 0) yield fresh
  }
}

/** Sound: the choice keeps its kind. */
function withNews(choice: Choice, text: string, ids: readonly number[]): Choice {
  const more = choice.token_ids ? { token_ids: [...ids] } : {}
  if ('text' in choice) return { ...choice, text, ...more }
  return { ...choice, delta: text === '' ? {} : { content: text }, ...more }
}

function textOf(event: ModelEvent): string {
  const [choice] = event.choices
  if (!choice) return ''
  return 'text' in choice ? choice.text : (choice.delta.content ?? '')
}

function isPlain({ choices }: ModelEvent): boolean {
  const [choice] = choices
  if (choices.length !== 1 || !choice || choice.finish_reason || choice.logprobs) return false
  return 'text' in choice || Object.keys(choice.delta).every((field) => field === 'role' || field === 'content')
}

function interrupted(): AppError {
  return new AppError('upstream_interrupted', 'The model stopped in the middle of its answer.')
}
