/** From a request's fields to how its tokens are drawn and what ends it. */
import { randomFillSync } from 'node:crypto'
import type { ChatRequest, TextRequest } from '../../../src/contract/chat-completion.ts'
import type { LogitAdjustments } from '../engine/adjust-logits.ts'
import type { Endings } from '../engine/engine-messages.ts'
import { type SamplingParameters, TEMPERATURE_MIN } from '../engine/sampler.ts'
import { RequestError } from './request-error.ts'

type Request = ChatRequest | TextRequest

const TEMPERATURE_DEFAULT = 1
/** OpenAI takes 300. Each costs a look at every token. */
export const LOGIT_BIAS_MAX = 1_024
const BIAS_MAX = 100

/** @throws RequestError for what the schema leaves to us: ids that the model does not have, logit_bias */
export function planSampling(request: Request, vocabSize: number): SamplingParameters {
  const { seed } = request
  const temperature = request.temperature ?? TEMPERATURE_DEFAULT
  const adjustments = readAdjustments(request, vocabSize)
  return {
    temperature: temperature < TEMPERATURE_MIN ? 0 : temperature,
    topK: Math.max(request.top_k ?? 0, 0),
    topP: request.top_p ?? 1,
    ...(request.min_p && { minP: request.min_p }),
    seed: seed === null || seed === undefined ? drawnSeed() : seedWords(seed),
    choice: 0,
    ...(adjustments && { adjustments }),
  }
}

/** Undefined where the request says nothing of how its answer ends. @throws RequestError */
export function planEndings(request: Request, vocabSize: number): Endings | undefined {
  const { ignore_eos, stop_token_ids, min_tokens } = request
  const endings = { ignoreEos: ignore_eos ?? false, stopTokenIds: stop_token_ids ?? [], minTokens: min_tokens ?? 0 }
  checkIds(vocabSize, endings.stopTokenIds, 'stop_token_ids')
  const isPlain = !endings.ignoreEos && endings.stopTokenIds.length === 0 && endings.minTokens === 0
  return isPlain ? undefined : endings
}

function readAdjustments(request: Request, vocabSize: number): LogitAdjustments | undefined {
  const adjustments = {
    bias: readLogitBias(request.logit_bias, vocabSize),
    repetitionPenalty: request.repetition_penalty ?? 1,
    frequencyPenalty: request.frequency_penalty ?? 0,
    presencePenalty: request.presence_penalty ?? 0,
  }
  const { bias, repetitionPenalty, frequencyPenalty, presencePenalty } = adjustments
  const isNone = bias.length === 0 && repetitionPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0
  return isNone ? undefined : adjustments
}

/** OpenAI's map of token id, as text, to what is added to its logit. Not in the schema: its size is looked at before its entries are. */
function readLogitBias(given: unknown, vocabSize: number): [id: number, amount: number][] {
  if (given === undefined || given === null) return []
  if (typeof given !== 'object' || Array.isArray(given)) throw wrongBias('logit_bias', 'must be an object')
  const entries = Object.entries(given)
  if (entries.length > LOGIT_BIAS_MAX) throw wrongBias('logit_bias', `must have at most ${LOGIT_BIAS_MAX} entries`)
  return entries.map(([text, amount]) => {
    const id = Number(text)
    if (!/^(0|[1-9]\d{0,9})$/.test(text)) throw wrongBias('logit_bias', 'its keys must be token ids')
    if (id >= vocabSize) throw wrongBias(`logit_bias.${text}`, `the model has no token ${text}`)
    if (typeof amount !== 'number' || !(Math.abs(amount) <= BIAS_MAX)) {
      throw wrongBias(`logit_bias.${text}`, `must be a number from ${-BIAS_MAX} to ${BIAS_MAX}`)
    }
    return [id, amount]
  })
}

const wrongBias = (param: string, what: string) => new RequestError('invalid_request', `${param}: ${what}`, param)

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
