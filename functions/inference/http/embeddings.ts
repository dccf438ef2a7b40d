/** POST /v1/embeddings: OpenAI's shape. All limits are checked before anything is embedded, so that a wrong input is its caller's alone. */
import {
  EMBEDDING_INPUTS_MAX,
  EMBEDDING_TOKENS_MAX,
  type EmbeddingRequest,
  type EmbeddingResponse,
  embeddingRequestSchema,
} from '../../../src/contract/embeddings.ts'
import type { EmbeddingCaller, EmbeddingFailure, EmbeddingResult } from '../embedding/embedding-engine.ts'
import type { Opened } from '../embedding/embedding-service.ts'
import type { EmbeddingFolder } from '../models/embedding-folder.ts'
import { refuseUnread } from './field-support.ts'
import { parse, readJson } from './parse-body.ts'
import { engineError, RequestError } from './request-error.ts'
import type { Handler } from './route.ts'
import { checkIds } from './sampling-plan.ts'
import { sendJson } from './send-json.ts'
import type { Server } from './serving.ts'

/** English has 4 to 5 characters per token. Of a text that is cut, only so much is read; the slowest that we know takes 0.3 s. */
const CHARS_PER_TOKEN_MAX = 32

const FIELDS = Object.keys(embeddingRequestSchema.shape)

export const embeddings: Handler = async ({ request, response, server }) => {
  const body = parse(embeddingRequestSchema, await readJson(request))
  refuseUnread(body, FIELDS)
  const { engine, folder } = embeddingModel(server, body)
  if ((body.dimensions ?? folder.dimensions) !== folder.dimensions) {
    const message = `dimensions: ${body.model} gives ${folder.dimensions} and was not trained to give fewer`
    throw new RequestError('invalid_request', message, 'dimensions')
  }
  const left = new AbortController()
  response.once('close', () => left.abort())
  const caller = engine.enter(left.signal)
  try {
    const rows = await inputRows(body, folder, caller)
    const vectors = taken(await caller.embed(rows))
    const prompt_tokens = rows.reduce((sum, { length }) => sum + length, 0)
    const shown = body.encoding_format === 'base64' ? base64 : (vector: Float32Array) => Array.from(vector)
    const answer: EmbeddingResponse = {
      object: 'list',
      data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: shown(vector) })),
      model: body.model,
      usage: { prompt_tokens, total_tokens: prompt_tokens },
    }
    sendJson(response, 200, answer)
  } catch (error) {
    // Nobody is there to be told.
    if (!left.signal.aborted) throw error
  } finally {
    caller.leave()
  }
}

/** @throws RequestError while it is not here */
function embeddingModel({ embeddings, serving, isStopping }: Server, { model }: EmbeddingRequest): Opened {
  if (isStopping) throw new RequestError('engine_unavailable', 'The server is stopping.')
  if (embeddings === null) throw new RequestError('not_found', 'This server has no embedding model.')
  const { name } = embeddings
  if (model !== name) {
    const isChat = model === serving?.modelName
    const message = isChat ? `${model} does not embed; ${name} does.` : `This server embeds with ${name}, not ${model}.`
    throw new RequestError('model_not_found', message, 'model')
  }
  const asked = embeddings.ask()
  if (asked.state === 'here') return asked
  if (asked.state === 'fetching') throw new RequestError('model_loading', `${name} is being fetched.`)
  throw new RequestError('engine_unavailable', `${name} could not be fetched; the server's log says why.`)
}

/** @returns token ids of each input. @throws RequestError that names the first that is wrong */
async function inputRows(body: EmbeddingRequest, folder: EmbeddingFolder, caller: EmbeddingCaller) {
  const { inputTokensMax: tokensMax, vocabSize } = folder
  const keep = body.truncate_prompt_tokens === -1 ? tokensMax : (body.truncate_prompt_tokens ?? null)
  if (keep !== null && keep > tokensMax) {
    const message = `truncate_prompt_tokens: an input has at most ${tokensMax} tokens`
    throw new RequestError('invalid_request', message, 'truncate_prompt_tokens')
  }
  const { inputs, paramOf } = listOf(body.input)
  if (inputs.length > EMBEDDING_INPUTS_MAX) {
    throw new RequestError('invalid_request', `input: has more than ${EMBEDDING_INPUTS_MAX} elements`, 'input')
  }
  const charsMax = tokensMax * CHARS_PER_TOKEN_MAX
  const tooLong = (index: number, size: string) =>
    new RequestError(
      'context_length_exceeded',
      `${paramOf(index)}: has ${size}; ${body.model} takes ${tokensMax} tokens at a time, truncate_prompt_tokens: -1 cuts what is longer`,
      paramOf(index),
    )

  const texts: string[] = []
  for (const [index, input] of inputs.entries()) {
    if (typeof input !== 'string') {
      checkIds(vocabSize, input, paramOf(index))
      continue
    }
    if (input === '') throw new RequestError('invalid_request', `${paramOf(index)}: must not be empty`, paramOf(index))
    if (input.length > charsMax && keep === null) throw tooLong(index, `${input.length} characters`)
    texts.push(input.slice(0, charsMax))
  }
  const rows: ArrayLike<number>[] =
    texts.length > 0
      ? taken(await caller.encode(texts, keep))
      : // All are lists of ids, since none is a text.
        inputs.map((ids) => (ids as number[]).slice(0, keep ?? undefined))
  let total = 0
  for (const [index, { length }] of rows.entries()) {
    if (length > tokensMax) throw tooLong(index, `${length} tokens`)
    total += length
  }
  if (total > EMBEDDING_TOKENS_MAX) {
    const message = `input: has ${total} tokens, of which a request may have ${EMBEDDING_TOKENS_MAX}`
    throw new RequestError('invalid_request', message, 'input')
  }
  return rows
}

/** One input is a list of one; what is wrong with it is `input`, else `input[3]`. */
function listOf(input: EmbeddingRequest['input']): {
  inputs: readonly (string | number[])[]
  paramOf: (index: number) => string
} {
  if (typeof input === 'string') return { inputs: [input], paramOf: () => 'input' }
  // A list of numbers is one input, and the schema allows no mixture.
  if (typeof input[0] === 'number') return { inputs: [input as number[]], paramOf: () => 'input' }
  return { inputs: input as string[] | number[][], paramOf: (index) => `input[${index}]` }
}

/** @throws RequestError for what was not done */
function taken<Value>(result: EmbeddingResult<Value>): Value {
  if (result.ok) return result.value
  const { failure } = result
  throw 'message' in failure ? new Error(`The embedding model failed: ${failure.message}`) : ERRORS[failure.code]()
}

const ERRORS: Record<Exclude<EmbeddingFailure['code'], 'failed'>, () => Error> = {
  full: () => new RequestError('queue_full', 'Too many inputs wait to be embedded; try again soon.'),
  crashed: () => engineError('engine_crashed'),
  unavailable: () => engineError('engine_unavailable'),
  cancelled: () => new Error('The caller left.'),
}

/** Little-endian, as every machine is that the engine runs on. */
const base64 = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')
