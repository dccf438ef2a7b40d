/**
 * Fits a conversation into the model's context, with room for the answer. The usual turn asks nobody: the last answer told how many
 * tokens its prompt had, and bytes bound what was added since. Only when that may be too much the model's server counts.
 */
import type { TokenCounter } from '../chat/ports.ts'
import type { Message } from '../contract/chat-completion.ts'
import { AppError } from '../errors.ts'
import { addedTokensAtMost, messagesOf, type Turn, tokensAtMost, withoutOldest } from './history-window.ts'

/** Every model that is served has at least this; the real length is learnt with the first exact count. */
const CONTEXT_TOKENS_MIN = 2_048
/** Room kept for an answer when the caller gives no max_tokens: some pages. */
const ANSWER_TOKENS = 512
/** A message that leaves less than this for its answer is too long. */
const ANSWER_TOKENS_MIN = 16
/**
 * When turns must go, so many go that the prompt fills this share of the context: dropping one at each turn would make the model
 * read everything again each time, since its cache holds only what a prompt shares with the one before.
 */
const SHARE_AFTER_DROPPING = 0.75
/**
 * Each count drops a good share, so this is ample; after it all turns but the current one go. What the server refuses to count is not
 * among them: each refusal halves the bytes, so there are some twenty at most, and together they send twice the bytes of the first.
 */
const COUNTS_MAX = 5

export type FitInput = {
  model: string
  system: readonly string[]
  /** Stored turns, oldest first. */
  turns: readonly Turn[]
  message: string
  /** The caller's max_tokens. */
  maxTokens: number | undefined
  contextTokens: number | undefined
  /** What the last answer of this model told: the tokens up to and with that answer, when the prompt begins with `fromSeq`. */
  counted: { fromSeq: number; beforeSeq: number; tokens: number } | undefined
  /** True after the model refused what was believed to fit. */
  mustCount: boolean
}

export type Fit = {
  messages: Message[]
  turns: readonly Turn[]
  maxTokens: number | undefined
  /** What the server said, when it was asked. */
  contextTokens: number | undefined
}

/** Throws an AppError: `context_length_exceeded` when the message alone is too long, else what the counter throws. */
export async function fitHistory(input: FitInput, counter: TokenCounter, signal: AbortSignal): Promise<Fit> {
  const { model, system, message, maxTokens, counted } = input
  let turns = counted ? input.turns.filter((turn) => turn.firstSeq >= counted.fromSeq) : input.turns
  const answerTokens = maxTokens ?? ANSWER_TOKENS

  if (
    !input.mustCount &&
    promptTokensAtMost(input, turns) + answerTokens <= (input.contextTokens ?? CONTEXT_TOKENS_MIN)
  ) {
    return { messages: messagesOf(system, turns, message), turns, maxTokens, contextTokens: undefined }
  }

  for (let counts = 0; ; ) {
    const messages = messagesOf(system, turns, message)
    const answer = await countOrRefusal(counter, model, messages, signal)
    if (answer instanceof AppError) {
      if (turns.length === 0) throw messageTooLong(answer)
      const bytes = addedTokensAtMost([], turns)
      turns = withoutOldest(turns, bytes, bytes, bytes / 2)
      continue
    }
    counts += 1
    const { tokens, contextTokens } = answer
    const room = contextTokens - tokens
    const reserve = Math.min(answerTokens, Math.floor(contextTokens / 2))
    if (room >= reserve || (turns.length === 0 && room >= Math.min(reserve, ANSWER_TOKENS_MIN))) {
      // A server may refuse a prompt and max_tokens that together exceed its context.
      return { messages, turns, maxTokens: maxTokens && Math.min(maxTokens, room), contextTokens }
    }
    if (turns.length === 0) {
      throw new AppError(
        'context_length_exceeded',
        `The message has ${tokens} tokens, the model reads ${contextTokens} together with its answer.`,
        { param: 'message' },
      )
    }
    const tokensToDrop = tokens + reserve - contextTokens * SHARE_AFTER_DROPPING
    turns = counts >= COUNTS_MAX ? [] : withoutOldest(turns, tokens, tokensAtMost(system, turns, message), tokensToDrop)
  }
}

/** The server speaks of `messages`, which /chat does not have. */
export function messageTooLong(cause: AppError): AppError {
  const message = 'The message is longer than the model can read together with its answer.'
  return new AppError('context_length_exceeded', message, { cause, param: 'message' })
}

/** A server need not tokenise what is far too long to fit: then it says so instead of how long it is. */
async function countOrRefusal(
  counter: TokenCounter,
  model: string,
  messages: Message[],
  signal: AbortSignal,
): Promise<Awaited<ReturnType<TokenCounter['count']>> | AppError> {
  try {
    return await counter.count(model, messages, signal)
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'context_length_exceeded') return thrown
    throw thrown
  }
}

function promptTokensAtMost({ system, message, counted }: FitInput, turns: readonly Turn[]): number {
  // The count holds only if the prompt begins as it did then.
  if (!counted || turns[0]?.firstSeq !== counted.fromSeq) return tokensAtMost(system, turns, message)
  const since = turns.filter((turn) => turn.firstSeq >= counted.beforeSeq)
  return counted.tokens + addedTokensAtMost([message], since)
}
