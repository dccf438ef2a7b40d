/** The tokenizer of a Hugging Face folder: its own tokenizer.json, with an entry for every row of the embeddings, and what ends an answer. */
import { join } from 'node:path'
import * as z from 'zod/mini'
import { readBoundedText, readJsonObject } from './bounded-json.ts'
import { GgufError } from './gguf-cursor.ts'
import type { SpecialTokens } from './tokenizer-json.ts'

/** Qwen3's has 11 MB, Gemma's 33. */
const TOKENIZER_BYTES_MAX = 128 * 1_048_576
const SMALL_BYTES_MAX = 16 * 1_048_576

const fileSchema = z.looseObject({
  added_tokens: z.array(
    z.looseObject({ id: z.int().check(z.nonnegative()), content: z.string(), special: z.boolean() }),
  ),
  decoder: z.nullable(z.looseObject({ type: z.string() })),
  model: z.looseObject({ type: z.string(), vocab: z.record(z.string(), z.int().check(z.nonnegative())) }),
})
const ids = z.optional(z.nullable(z.union([z.int(), z.array(z.int()).check(z.maxLength(64))])))
const idsSchema = z.looseObject({ bos_token_id: ids, eos_token_id: ids })
const token = z.optional(z.nullable(z.union([z.string(), z.looseObject({ content: z.string() })])))
const settingsSchema = z.looseObject({
  bos_token: token,
  eos_token: token,
  chat_template: z.optional(
    z.nullable(z.union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))])),
  ),
})

/** @param config the parsed config.json. @throws GgufError where there is no byte-level BPE tokenizer, or it does not fit the embeddings */
export async function readHuggingFaceTokenizer(
  folder: string,
  config: unknown,
  vocabSize: number,
): Promise<{ json: object; special: SpecialTokens }> {
  const file = await readJsonObject(join(folder, 'tokenizer.json'), TOKENIZER_BYTES_MAX)
  if (!file) throw new GgufError('it has no tokenizer.json')
  const { model, decoder, added_tokens: added } = parse(fileSchema, file, 'tokenizer.json')
  if (model.type !== 'BPE' || decoder?.type !== 'ByteLevel') {
    const kind = `${model.type} with the decoder ${decoder?.type ?? 'none'}`
    throw new GgufError(`its tokenizer is ${kind}, and the one that can be exported is byte-level BPE`)
  }
  const vocab = { ...model.vocab }
  for (const { content, id } of added) vocab[content] = id
  const taken = new Set(Object.values(vocab))
  const beyond = [...taken].find((id) => id >= vocabSize)
  if (beyond !== undefined)
    throw new GgufError(`its tokenizer has a token ${beyond}, and its embeddings have ${vocabSize} rows`)
  // As llama.cpp's converter does: rows that no token has are there to fill up a multiple of 64 or so.
  for (let id = 0; id < vocabSize; id++) if (!taken.has(id)) vocab[`[PAD${id}]`] = id
  // Nothing is cut off, filled up or put around a text: the chat template does that.
  const json = { ...file, truncation: null, padding: null, post_processor: null, model: { ...model, vocab } }
  return { json, special: await specialTokens(folder, config, vocab) }
}

async function specialTokens(folder: string, config: unknown, vocab: Record<string, number>): Promise<SpecialTokens> {
  const read = (name: string) => readJsonObject(join(folder, name), SMALL_BYTES_MAX)
  const settings = parse(settingsSchema, (await read('tokenizer_config.json')) ?? {}, 'tokenizer_config.json')
  const generation = parse(idsSchema, (await read('generation_config.json')) ?? {}, 'generation_config.json')
  const model = parse(idsSchema, config, 'config.json')
  const idOf = (named: z.infer<typeof token>) => {
    const content = typeof named === 'string' ? named : named?.content
    return content === undefined || !Object.hasOwn(vocab, content) ? [] : [vocab[content] ?? 0]
  }
  const known = new Set(Object.values(vocab))
  const checked = (found: number[], what: string) => {
    const wrong = found.find((id) => !known.has(id))
    if (wrong !== undefined) throw new GgufError(`its ${what} ${wrong} is no token of its vocabulary`)
    return [...new Set(found)]
  }
  const ends = [...listOf(generation.eos_token_id), ...listOf(model.eos_token_id), ...idOf(settings.eos_token)]
  const begins = [...idOf(settings.bos_token), ...listOf(generation.bos_token_id), ...listOf(model.bos_token_id)]
  const template = settings.chat_template
  const chosen = Array.isArray(template)
    ? (template.find(({ name }) => name === 'default') ?? template[0])?.template
    : template
  return {
    bosTokenId: checked(begins, 'bos_token_id')[0] ?? null,
    eosTokenIds: checked(ends, 'eos_token_id'),
    chatTemplate: chosen ?? (await readBoundedText(join(folder, 'chat_template.jinja'), SMALL_BYTES_MAX)),
  }
}

function listOf(value: z.infer<typeof ids>): number[] {
  if (value == null) return []
  return Array.isArray(value) ? value : [value]
}

function parse<T extends z.ZodMiniType>(schema: T, value: unknown, name: string): z.infer<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new GgufError(`its ${name}: ${issue?.path.join('.')}: ${issue?.message}`)
}
