/** One answer as it comes: token ids from the engine become text, stop strings end it, and what belongs to it is counted. */
import type { FinishReason, Usage } from '../../../src/contract/chat-completion.ts'
import type { EngineErrorCode, Generation } from '../engine/engine-client.ts'
import type { EngineRequest } from '../engine/engine-messages.ts'
import type { FirstTokenTimings } from '../engine/first-token-timings.ts'
import { createStopMatcher } from '../text/stop-strings.ts'
import type { AnswerPlan } from './answer-plan.ts'
import { codePoints, createEcho } from './echo.ts'
import type { LoggedToken } from './logprobs.ts'
import { RequestError } from './request-error.ts'
import type { Serving } from './serving.ts'

export type AnswerEvent =
  | ({ type: 'piece' } & AnswerPiece)
  /** Without timings where nothing had to be drawn. */
  | { type: 'end'; reason: FinishReason; usage: Usage; timings?: FirstTokenTimings }
  | { type: 'error'; code: EngineErrorCode }

/**
 * Text that may be sent, and what is new since the last piece: the ids generated, and what was asked of how likely tokens were (null if
 * nothing). Any of the three may be empty, not all. Text may be held back; ids and log-probabilities never are.
 */
export type AnswerPiece = { text: string; ids: number[]; logged: LoggedToken[] | null }

/**
 * Starts an answer. Events come after this returns; `end` or `error` is the last.
 * @throws RequestError when too many requests wait
 */
export function startAnswer(serving: Serving, plan: AnswerPlan, listener: (event: AnswerEvent) => void): Generation {
  const echo = createEcho(serving, plan)
  const text = createAnswerText(serving, plan)
  const past = replay(serving, plan, text)
  let { tokens, unsent } = past
  const nothing = plan.logprobs === null ? null : []
  let cachedTokens = 0
  let timings: FirstTokenTimings | undefined
  const send = (piece: AnswerPiece) => listener({ type: 'piece', ...piece })

  /** The prompt comes before the answer, whole where nothing is to be told of its tokens. */
  function sendEcho() {
    const rest = echo.rest()
    if (rest.text !== '' || (rest.logged ?? []).length > 0) send({ ...rest, ids: [] })
  }

  function finish(reason: FinishReason) {
    sendEcho()
    const rest = unsent + text.end()
    if (rest !== '') send({ text: rest, ids: [], logged: nothing })
    const prompt_tokens = plan.prompt.length
    const usage = {
      ...{ prompt_tokens, completion_tokens: tokens, total_tokens: prompt_tokens + tokens },
      prompt_tokens_details: { cached_tokens: cachedTokens },
    }
    listener({ type: 'end', reason, usage, ...(timings && { timings }) })
  }

  const { completed } = past
  if (completed !== null && !readsPrompt(plan)) {
    queueMicrotask(() => finish(completed))
    return { cancel() {} }
  }
  refuseWhenFull(serving, 1)
  const generation = serving.engine.generate(engineRequest(plan), (event) => {
    if (event.type === 'error') return listener(event)
    if (event.type === 'end') return finish(event.reason)
    cachedTokens = event.cachedTokens
    timings ??= event.timings
    if (event.ids.length === 0) return send({ ...echo.read(event.promptLogprobs), ids: [] })
    sendEcho()
    for (const [index, id] of event.ids.entries()) {
      tokens++
      const { piece, stopped, offset } = text.push(id)
      const logprobs = event.logprobs[index] ?? null
      send({
        text: unsent + piece,
        ids: [id],
        logged: plan.logprobs === null ? null : [{ id, offset: echo.length() + offset, logprobs }],
      })
      unsent = ''
      if (!stopped) continue
      generation.cancel()
      return finish('stop')
    }
  })
  return generation
}

/** @throws RequestError when so many more answers would be too many */
export function refuseWhenFull({ engine, slots, queueMax }: Serving, answers: number): void {
  if (engine.inFlight() + answers <= slots + queueMax) return
  throw new RequestError('queue_full', `${queueMax} requests wait already; try again soon.`)
}

/** Whether the engine has to tell of the prompt's tokens. */
const readsPrompt = ({ echo, logprobs }: AnswerPlan) => echo && logprobs !== null

function engineRequest(plan: AnswerPlan): Omit<EngineRequest, 'id'> {
  const { prompt, replay: answer, maxTokens, sampling, sameness, endings, logprobs, adapter, grammar } = plan
  return {
    ...{ prompt, answer, maxTokens, sampling, sameness, adapter },
    ...(endings && { endings }),
    ...(grammar && { grammar }),
    ...(logprobs !== null && { logprobs }),
    ...(readsPrompt(plan) && logprobs !== null && { promptLogprobs: logprobs }),
  }
}

/** Brings text and stop strings to where another replica left the answer, which may be at its end. */
function replay(serving: Serving, plan: AnswerPlan, text: AnswerText) {
  let unsent = ''
  let tokens = 0
  for (const id of plan.replay) {
    const { piece, stopped } = text.push(id)
    unsent += piece
    tokens++
    if (stopped || endsAt(id, plan, serving)) return { tokens, unsent, completed: 'stop' as const }
  }
  return { tokens, unsent, completed: tokens >= plan.maxTokens ? ('length' as const) : null }
}

/** As the engine decides it. */
function endsAt(id: number, { endings }: AnswerPlan, { eosTokenIds }: Serving): boolean {
  if (endings?.ignoreEos !== true && eosTokenIds.includes(id)) return true
  return endings?.stopTokenIds.includes(id) === true
}

type AnswerText = {
  /** `offset`: code points of all text before that of this token, whether sent or not. */
  push(id: number): { piece: string; stopped: boolean; offset: number }
  /** What was held back. */
  end(): string
}

/** Ids to text behind stop strings, without the part that the caller already has. */
function createAnswerText({ tokenizer }: Serving, plan: AnswerPlan): AnswerText {
  const { stops, sentChars, endings, logprobs } = plan
  const detokenizer = tokenizer.stream()
  const matcher = createStopMatcher(stops)
  let toSkip = sentChars
  let tokens = 0
  let length = 0
  function unsent(text: string) {
    const piece = text.slice(toSkip)
    toSkip = Math.max(0, toSkip - text.length)
    return piece
  }
  return {
    push(id) {
      const offset = length
      // A token that ends the answer is not part of it, as a stop string is not.
      const isEnd = endings?.stopTokenIds.includes(id) === true
      const decoded = isEnd ? '' : detokenizer.push(id)
      if (logprobs !== null) length += codePoints(decoded)
      // Stop strings are looked for in what comes after min_tokens only.
      const isEarly = ++tokens <= (endings?.minTokens ?? 0)
      const { text, stopped } = isEarly ? { text: decoded, stopped: false } : matcher.push(decoded)
      return { piece: unsent(text), stopped, offset }
    },
    end() {
      // Bytes of a character that never became whole are no text: usage and ids tell of them.
      detokenizer.end()
      return unsent(matcher.end())
    },
  }
}
