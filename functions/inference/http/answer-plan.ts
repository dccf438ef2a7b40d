/** From a parsed completion request to what the engine and the answer's text need: all limits are checked here, before any byte is sent. */
import { randomFillSync } from 'node:crypto'
import * as z from 'zod/mini'
import type { ChatRequest, TextRequest } from '../../../src/contract/chat-completion.ts'
import { type Continue, type PerigeeRequest, perigeeRequestSchema } from '../../../src/contract/inference-wire.ts'
import type { SamplingParameters } from '../engine/sampler.ts'
import type { GrammarSource } from '../grammar/grammar-source.ts'
import { RequestError } from './request-error.ts'
import type { Serving } from './serving.ts'

export type AnswerPlan = {
  /** Token ids, at least one. */
  prompt: number[]
  /** Token ids of the answer that another replica already gave. */
  replay: number[]
  /** UTF-16 code units of the answer's text that the caller already has. */
  sentChars: number
  /** Of the whole answer, replay included. */
  maxTokens: number
  stops: string[]
  sampling: SamplingParameters
  sameness: boolean
  /** What the answer is held to; the engine has been asked whether it can. */
  grammar?: GrammarSource
  stream: boolean
  includeUsage: boolean
  returnTokenIds: boolean
}

const TEMPERATURE_DEFAULT = 1

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
  if (request.model !== serving.modelName) {
    throw new RequestError('model_not_found', `This server serves ${serving.modelName}, not ${request.model}.`, 'model')
  }
  if ((request.n ?? 1) > 1) {
    throw new RequestError('unsupported_parameter', 'This server gives one answer per request: n must be 1.', 'n')
  }
  const perigee = perigeeOf(request)
  const prompt = perigee.continue?.prompt_token_ids ?? (await tokenize())
  const replay = perigee.continue?.output_token_ids ?? []
  if (perigee.continue !== undefined) checkContinue(serving, perigee.continue)
  // One token must fit behind the prompt, or there is nothing to answer.
  if (prompt.length >= serving.context) {
    const message = `The prompt has ${prompt.length} tokens; the context of ${serving.context} tokens must hold it and the answer.`
    throw new RequestError('context_length_exceeded', message, 'messages' in request ? 'messages' : 'prompt')
  }
  const temperature = request.temperature ?? TEMPERATURE_DEFAULT
  return {
    prompt,
    replay,
    sentChars: perigee.continue?.sent_chars ?? 0,
    maxTokens: Math.min(maxTokens ?? serving.context, serving.context - prompt.length),
    stops: typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []),
    sampling: {
      temperature,
      topK: Math.max(request.top_k ?? 0, 0),
      topP: request.top_p ?? 1,
      seed: request.seed === null || request.seed === undefined ? drawnSeed() : seedWords(request.seed),
      choice: 0,
    },
    sameness: temperature === 0 || (typeof request.seed === 'number' && perigee.drawn_seed !== true),
    stream: request.stream ?? false,
    includeUsage: request.stream_options?.include_usage ?? false,
    returnTokenIds: request.return_token_ids ?? false,
  }
}

function checkContinue({ tokenizer }: Serving, { prompt_token_ids, output_token_ids, sent_chars }: Continue) {
  checkIds(tokenizer.vocabSize, prompt_token_ids, 'perigee.continue.prompt_token_ids')
  checkIds(tokenizer.vocabSize, output_token_ids, 'perigee.continue.output_token_ids')
  if (sent_chars > tokenizer.decode(output_token_ids).length) {
    const param = 'perigee.continue.sent_chars'
    throw new RequestError('invalid_request', `${param}: is more than the text of output_token_ids has`, param)
  }
}

/** @throws RequestError for an id that the model does not have */
export function checkIds(vocabSize: number, ids: readonly number[], param: string): void {
  const index = ids.findIndex((id) => id >= vocabSize)
  if (index < 0) return
  const path = `${param}[${index}]`
  throw new RequestError('invalid_request', `${path}: the model has no token ${ids[index]}`, path)
}

/** A safe integer as 64-bit two's complement, in two words. */
export function seedWords(seed: number): [low: number, high: number] {
  const bits = BigInt.asUintN(64, BigInt(seed))
  return [Number(bits & 0xffff_ffffn), Number(bits >> 32n)]
}

function drawnSeed(): [low: number, high: number] {
  const [low = 0, high = 0] = randomFillSync(new Uint32Array(2))
  return [low, high]
}
