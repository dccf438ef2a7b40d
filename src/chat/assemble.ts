/** From a model's events to the one answer that a caller gets who does not stream. */
import type { ChatResponse, FinishReason, TextResponse, Usage } from '../contract/chat-completion.ts'
import { type Fields, isFields } from '../contract/fields.ts'
import { AppError } from '../errors.ts'
import { mergeDelta } from './merge-delta.ts'
import type { ModelEvent, ModelEventStream } from './ports.ts'
import { usageTally } from './usage-tally.ts'

type Options = {
  /** Whether the caller asked for token ids. */
  tokenIds: boolean
}

/** Reads the stream to its end. Rejects with what the stream throws: a cut answer is never presented as one. */
export async function assembleChat(events: ModelEventStream, options: Options): Promise<ChatResponse> {
  return chatAnswer(await gather(events, options))
}

/** The same of an answer that is all there. */
export function assembleWholeChat(events: readonly ModelEvent[], options: Options): ChatResponse {
  const gatherer = gathererOf(options)
  gatherer.add(events)
  return chatAnswer(gatherer.answer())
}

function chatAnswer(answer: Answer): ChatResponse {
  return {
    ...answer.head,
    object: 'chat.completion',
    choices: answer.choices.map((choice) => ({
      ...choice.rest,
      index: choice.index,
      message: { role: 'assistant', content: null, refusal: null, ...withoutToolIndexes(choice.message) },
      finish_reason: finishReasonOf(choice),
      logprobs: choice.logprobs ?? null,
      ...(choice.tokenIds ? { token_ids: choice.tokenIds } : {}),
    })),
    ...(answer.usage ? { usage: answer.usage } : {}),
    ...(answer.promptTokenIds ? { prompt_token_ids: answer.promptTokenIds } : {}),
  }
}

/** The same for text completions, where the ids of the prompt are in the choices. */
export async function assembleText(events: ModelEventStream, options: Options): Promise<TextResponse> {
  return textAnswer(await gather(events, options))
}

export function assembleWholeText(events: readonly ModelEvent[], options: Options): TextResponse {
  const gatherer = gathererOf(options)
  gatherer.add(events)
  return textAnswer(gatherer.answer())
}

function textAnswer(answer: Answer): TextResponse {
  return {
    ...answer.head,
    object: 'text_completion',
    choices: answer.choices.map((choice) => ({
      ...choice.rest,
      index: choice.index,
      text: choice.text,
      finish_reason: finishReasonOf(choice),
      logprobs: choice.logprobs ?? null,
      ...(choice.tokenIds ? { token_ids: choice.tokenIds } : {}),
      ...(choice.promptTokenIds ? { prompt_token_ids: choice.promptTokenIds } : {}),
    })),
    ...(answer.usage ? { usage: answer.usage } : {}),
  }
}

type Head = { id: string; created: number; model: string; system_fingerprint?: string }

type Choice = {
  index: number
  message: Fields
  text: string
  finishReason: FinishReason | undefined
  logprobs: unknown
  tokenIds: number[] | undefined
  promptTokenIds: number[] | undefined
  /** Fields of the choice that we do not know. */
  rest: Fields
}

type Answer = {
  head: Head
  /** In the order of their index. */
  choices: Choice[]
  usage: Usage | undefined
  promptTokenIds: number[] | undefined
}

async function gather(events: ModelEventStream, options: Options): Promise<Answer> {
  const gatherer = gathererOf(options)
  for await (const batch of events) gatherer.add(batch)
  return gatherer.answer()
}

function gathererOf(options: Options): { add(batch: readonly ModelEvent[]): void; answer(): Answer } {
  let head: Head | undefined
  let promptTokenIds: number[] | undefined
  const choices = new Map<number, Choice>()
  const tally = usageTally()
  return {
    add(batch) {
      tally.add(batch)
      for (const event of batch) {
        head ??= headOf(event)
        if (options.tokenIds && 'prompt_token_ids' in event) promptTokenIds ??= event.prompt_token_ids
        for (const piece of event.choices) {
          const choice = choices.get(piece.index) ?? emptyChoice(piece.index)
          choices.set(piece.index, choice)
          addPiece(choice, piece, options)
        }
      }
    },
    answer() {
      if (!head) throw new AppError('upstream_interrupted', 'The model stopped in the middle of its answer.')
      const inOrder = [...choices.values()].sort((a, b) => a.index - b.index)
      return { head, choices: inOrder, usage: tally.usage(), promptTokenIds }
    },
  }
}

function headOf(event: ModelEvent): Head {
  const { id, created, model, system_fingerprint } = event
  return { id, created, model, ...(system_fingerprint === undefined ? {} : { system_fingerprint }) }
}

function emptyChoice(index: number): Choice {
  return {
    index,
    message: {},
    text: '',
    finishReason: undefined,
    logprobs: undefined,
    tokenIds: undefined,
    promptTokenIds: undefined,
    rest: {},
  }
}

function addPiece(choice: Choice, piece: ModelEvent['choices'][number], options: Options): void {
  for (const [field, value] of Object.entries(piece)) {
    if (value === null || value === undefined) continue
    switch (field) {
      case 'index':
        break
      case 'delta':
        if (isFields(value)) mergeDelta(choice.message, value)
        break
      case 'text':
        choice.text += String(value)
        break
      case 'finish_reason':
        // Sound: src/upstream/model-event.ts lets only text pass; what a server invents beyond OpenAI's four is for the caller to see.
        choice.finishReason = value as FinishReason
        break
      case 'logprobs':
        choice.logprobs = joined(choice.logprobs, value)
        break
      case 'token_ids':
        if (options.tokenIds && Array.isArray(value)) choice.tokenIds = appended(choice.tokenIds, value)
        break
      case 'prompt_token_ids':
        if (options.tokenIds && Array.isArray(value)) choice.promptTokenIds = value
        break
      default:
        mergeDelta(choice.rest, { [field]: value })
    }
  }
}

/** In place: an answer may have many pieces. */
function appended(ids: number[] | undefined, more: readonly number[]): number[] {
  if (!ids) return [...more]
  ids.push(...more)
  return ids
}

function joined(before: unknown, value: unknown): unknown {
  if (!isFields(value)) return value
  const whole = isFields(before) ? before : {}
  mergeDelta(whole, value)
  return whole
}

function finishReasonOf(choice: Choice): FinishReason {
  if (choice.finishReason) return choice.finishReason
  // The upstream adapter ends a stream only after every finish reason: this is a broken promise, and still never a success.
  throw new AppError('upstream_interrupted', 'The model stopped in the middle of its answer.')
}

/** Only deltas number their tool calls. */
function withoutToolIndexes(message: Fields): Fields {
  const calls = message.tool_calls
  if (!Array.isArray(calls)) return message
  return {
    ...message,
    tool_calls: calls.map((call) => {
      if (!isFields(call)) return call
      const { index: _, ...rest } = call
      return rest
    }),
  }
}
