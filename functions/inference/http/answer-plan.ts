/** From a parsed completion request to what the engine and the answer's text need: all limits are checked here. */
import * as z from 'zod/mini'
import type { ChatRequest, TextRequest } from '../../../src/contract/chat-completion.ts'
import { type Continue, type PerigeeRequest, perigeeRequestSchema } from '../../../src/contract/inference-wire.ts'
import type { Endings } from '../engine/engine-messages.ts'
import type { SamplingParameters } from '../engine/sampler.ts'
import type { GrammarSource } from '../grammar/grammar-source.ts'
import { type ChosenModel, chooseModel } from './choose-model.ts'
import { RequestError } from './request-error.ts'
import { checkIds, planEndings, planSampling } from './sampling-plan.ts'
import type { Serving } from './serving.ts'

export type AnswerPlan = ChosenModel & {
  /** Token ids, at least one. */
  prompt: number[]
  /** Token ids of the answer that another replica already gave. */
  replay: number[]
  /** UTF-16 code units of the answer's text that the caller already has. */
  sentChars: number
  /** Of the whole answer, replay included. 0 for the prompt alone. */
  maxTokens: number
  stops: string[]
  /** Which of the choices of the response this is. */
  index: number
  sampling: SamplingParameters
  /** Undefined for the model's own end, from the first token on. */
  endings: Endings | undefined
  /** How many of the likeliest tokens to tell of beside each token; null for no log-probabilities at all. */
  logprobs: number | null
  /** The prompt belongs to the text, and to the log-probabilities. */
  echo: boolean
  sameness: boolean
  /** What the answer is held to; the engine has been asked whether it can. */
  grammar?: GrammarSource
  stream: boolean
  includeUsage: boolean
  /** After the first event pieces are held back for so many milliseconds, to be sent in one. 0: never. */
  gatherMs: number
  returnTokenIds: boolean
  /** Of a stream: what its first token waited for is told at its end. */
  showTimings: boolean
}

const withPerigee = z.looseObject({ perigee: z.nullish(perigeeRequestSchema) })

/** The reserved field, which the contract leaves to the server to parse. */
export function perigeeOf(body: object): PerigeeRequest {
  const parsed = withPerigee.safeParse(body)
  if (parsed.success) return parsed.data.perigee ?? {}
  const issue = parsed.error.issues[0]
  const param = issue?.path.map(String).join('.') ?? 'perigee'
  throw new RequestError('invalid_request', `${param}: ${issue?.message}`, param)
}

/**
 * @param tokenize gives the prompt's ids; not called for a continuation, which brings its own
 * @param maxTokens asked for, or null for as many as fit
 */
export async function planAnswer(
  serving: Serving,
  request: ChatRequest | TextRequest,
  maxTokens: number | null,
  tokenize: () => Promise<number[]>,
): Promise<AnswerPlan> {
  const chosen = chooseModel(serving, request.model)
  const perigee = perigeeOf(request)
  if (perigee.continue !== undefined) checkContinue(serving, perigee.continue, request)
  if (maxTokens !== null && (request.min_tokens ?? 0) > maxTokens) {
    const message = `min_tokens: must be at most the ${maxTokens} tokens that the answer may have`
    throw new RequestError('invalid_request', message, 'min_tokens')
  }
  const sampling = {
    ...planSampling(request, serving.tokenizer.vocabSize),
    choice: perigee.continue?.choice ?? 0,
  }
  const endings = planEndings(request, serving.tokenizer.vocabSize)
  const logprobs = logprobsOf(request)
  // Last, because it is the only thing here that takes time.
  const prompt = perigee.continue?.prompt_token_ids ?? (await tokenize())
  const replay = perigee.continue?.output_token_ids ?? []
  // One token must fit behind the prompt, or there is nothing to answer.
  if (prompt.length + (maxTokens === 0 ? 0 : 1) > serving.context) {
    const message = `The prompt has ${prompt.length} tokens; the context of ${serving.context} tokens must hold it and the answer.`
    throw new RequestError('context_length_exceeded', message, 'messages' in request ? 'messages' : 'prompt')
  }
  return {
    ...chosen,
    prompt,
    replay,
    sentChars: perigee.continue?.sent_chars ?? 0,
    maxTokens: Math.min(maxTokens ?? serving.context, serving.context - prompt.length),
    stops: typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []),
    index: 0,
    sampling,
    endings,
    logprobs,
    echo: request.echo === true,
    sameness: sampling.temperature === 0 || (typeof request.seed === 'number' && perigee.drawn_seed !== true),
    stream: request.stream ?? false,
    includeUsage: request.stream_options?.include_usage ?? false,
    gatherMs: perigee.gather_ms ?? 0,
    returnTokenIds: request.return_token_ids ?? false,
    showTimings: perigee.timings ?? false,
  }
}

/** Chat asks with a switch and a number, text with one number. */
function logprobsOf({ logprobs, top_logprobs }: ChatRequest | TextRequest): number | null {
  if (typeof logprobs === 'number') return logprobs
  if (logprobs === true) return typeof top_logprobs === 'number' ? top_logprobs : 0
  if (typeof top_logprobs !== 'number' || top_logprobs === 0) return null
  throw new RequestError('invalid_request', 'top_logprobs: needs logprobs to be true', 'top_logprobs')
}

/** @throws RequestError for more answers than this server ever takes at once */
export function refuseTooMany({ slots, queueMax }: Serving, prompts: number, n: number): void {
  const most = slots + queueMax
  if (prompts * n <= most) return
  const param = prompts > 1 ? 'prompt' : 'n'
  throw new RequestError('invalid_request', `${param}: this server takes at most ${most} answers at once`, param)
}

/**
 * The plans of all choices of a response: `n` for each prompt, one prompt after another, as OpenAI numbers them. What is drawn for a choice
 * depends on its place among those of its prompt, and not on how many there are.
 */
export function planChoices(plans: readonly AnswerPlan[], n: number): AnswerPlan[] {
  return plans.flatMap((plan, prompt) =>
    Array.from({ length: n }, (_, choice) => ({
      ...plan,
      index: prompt * n + choice,
      // A continuation is one answer, of which place it was told.
      sampling: { ...plan.sampling, choice: plan.sampling.choice + choice },
    })),
  )
}

function checkContinue({ tokenizer }: Serving, given: Continue, request: ChatRequest | TextRequest) {
  const { prompt_token_ids, output_token_ids, sent_chars } = given
  const field = ['n', 'echo'].find((name) => request[name] === true || Number(request[name] ?? 1) > 1)
  if (field !== undefined) {
    throw new RequestError(
      'unsupported_parameter',
      `perigee.continue cannot go on with ${field}: it is one answer.`,
      field,
    )
  }
  checkIds(tokenizer.vocabSize, prompt_token_ids, 'perigee.continue.prompt_token_ids')
  checkIds(tokenizer.vocabSize, output_token_ids, 'perigee.continue.output_token_ids')
  const param = 'perigee.continue.sent_chars'
  const detokenizer = tokenizer.stream()
  // Without the bytes of a character that is not whole yet: nobody has been sent any of it.
  const text = output_token_ids.map((id) => detokenizer.push(id)).join('')
  if (sent_chars > text.length) {
    throw new RequestError('invalid_request', `${param}: is more than the text of output_token_ids has`, param)
  }
  // Beside tools the count is of what calls became, not of this text.
  if ((request.tools ?? null) === null && /[\ud800-\udbff]/.test(text.charAt(sent_chars - 1))) {
    throw new RequestError('invalid_request', `${param}: cuts a character in two`, param)
  }
}
