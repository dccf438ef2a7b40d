/** Asks the model for the answer to one committed turn: fits the history, runs the completion, reads it to its end. Writes nothing but what it learnt of the model. */
import { answerNote } from '../chat/answer-note.ts'
import { assembleChat } from '../chat/assemble.ts'
import { complete } from '../chat/complete.ts'
import type { CompletePorts, Place, Principal, RequestNote, TokenCounter } from '../chat/ports.ts'
import type { AnswerNote } from '../contract/chat-completion.ts'
import { type ChatTurnRequest, TURN_CHARS_MAX } from '../contract/chat-turn.ts'
import { AppError } from '../errors.ts'
import type { ConversationStore } from './conversation-store.ts'
import { type Fit, type FitInput, fitHistory, messageTooLong } from './fit-history.ts'
import { turnsOf } from './history-window.ts'
import type { AssistantBody } from './item-codec.ts'
import { meteredTurn } from './metered-turn.ts'

/** What fits a row of storage whatever its characters, as for the user's turn (see ROW_BYTES_MAX). A longer answer ends here, as by max_tokens. */
const ANSWER_CHARS_MAX = TURN_CHARS_MAX

export type AnswerPorts = { complete: CompletePorts; tokenCounter: TokenCounter }

export type AnswerCall = {
  principal: Principal
  request: ChatTurnRequest
  requestId: string
  /** The alias to ask. */
  model: string
  conversationId: string
  place?: Place
  /** Of the user's committed item. */
  userSeq: number
  signal: AbortSignal
  /** When its turn came. Milliseconds since 1970. */
  arrivedAtMs: number
}

/** The note is for the caller alone: it is not kept. */
export type TurnAnswer = { body: Omit<AssistantBody, 'atMs'>; modelUsed: string; note: AnswerNote }

/** Rejects with an AppError when there is no whole answer. */
export async function answerTurn(ports: AnswerPorts, store: ConversationStore, call: AnswerCall): Promise<TurnAnswer> {
  const metered = { ...call, note: turnNote(call) }
  return meteredTurn(ports.complete.meter, metered, (meter) =>
    fitAndAsk({ ...ports, complete: { ...ports.complete, meter } }, store, call, fitInput(store, call)),
  )
}

/** For the log of requests. */
export function turnNote({ requestId, request, arrivedAtMs }: TurnTold): RequestNote {
  return { requestId, stream: false, endUser: request.user_id, caller: { endpoint: 'POST /chat', arrivedAtMs } }
}

type TurnTold = { requestId: string; request: ChatTurnRequest; arrivedAtMs: number }

async function fitAndAsk(
  ports: AnswerPorts,
  store: ConversationStore,
  call: AnswerCall,
  input: FitInput,
): Promise<TurnAnswer> {
  const fit = await fitHistory(input, ports.tokenCounter, call.signal)
  if (fit.contextTokens !== undefined) store.setContextTokens(call.model, fit.contextTokens)
  try {
    return await ask(ports, call, fit)
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'context_length_exceeded') throw thrown
    // Bytes and the last count are bounds only while the model's template and context are what they were. The server has the last
    // word; a count helps only where there are turns to drop, or a max_tokens that no count has cut yet.
    const canShrink = fit.turns.length > 0 || (fit.maxTokens !== undefined && fit.contextTokens === undefined)
    if (input.mustCount || !canShrink) throw messageTooLong(thrown)
  }
  return fitAndAsk(ports, store, call, { ...input, mustCount: true })
}

function fitInput(store: ConversationStore, { request, model, userSeq }: AnswerCall): FitInput {
  const lastAnswer = store.lastOfKind('assistant')
  const body = lastAnswer?.kind === 'assistant' && lastAnswer.body.model === model ? lastAnswer.body : undefined
  const counted =
    lastAnswer && body?.promptTokens !== undefined && body.completionTokens !== undefined
      ? {
          fromSeq: body.promptFromSeq,
          beforeSeq: lastAnswer.seq + 1,
          tokens: body.promptTokens + body.completionTokens,
        }
      : undefined
  return {
    model,
    system: store.systemItems().flatMap((item) => (item.kind === 'system' ? [item.body.text] : [])),
    turns: turnsOf(store.history(counted?.fromSeq ?? 1, userSeq)),
    message: request.message,
    maxTokens: request.model_config?.max_tokens,
    contextTokens: store.contextTokens(model),
    counted,
    mustCount: false,
  }
}

async function ask(
  ports: AnswerPorts,
  { principal, request, requestId, model, conversationId, place, userSeq, signal }: AnswerCall,
  fit: Fit,
): Promise<TurnAnswer> {
  const { model: _, max_tokens: __, ...sampling } = request.model_config ?? {}
  const completion = await complete(ports.complete, {
    principal,
    request: {
      kind: 'chat',
      body: {
        ...sampling,
        model,
        messages: fit.messages,
        ...(fit.maxTokens === undefined ? {} : { max_tokens: fit.maxTokens }),
      },
    },
    requestId,
    signal,
    conversationId,
    ...(place ? { place } : {}),
  })
  const { choices, usage } = await assembleChat(completion.events, { tokenIds: false })
  const choice = choices[0]
  if (!choice) throw new AppError('upstream_interrupted', 'The model gave no answer.')
  const whole = choice.message.content ?? ''
  const text = whole.slice(0, endOfWholeCharacters(whole, ANSWER_CHARS_MAX))
  return {
    body: {
      text,
      model,
      finishReason: text === whole ? choice.finish_reason : 'length',
      promptFromSeq: fit.turns[0]?.firstSeq ?? userSeq,
      ...(usage ? { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens } : {}),
    },
    modelUsed: completion.deployment.model,
    note: answerNote(choice),
  }
}

/** At most `charsMax`, and not between the halves of a surrogate pair: half a character is no text. */
function endOfWholeCharacters(text: string, charsMax: number): number {
  return (text.codePointAt(charsMax - 1) ?? 0) > 0xffff ? charsMax - 1 : charsMax
}
