/**
 * For every field of a request: whether it can change the answer, and which spellings of it mean the same. A field that is not here is
 * one that passes through to the model, so it counts as it is. A test compares this table with the schemas.
 */
import type { ModelRequest } from '../chat/ports.ts'

type Body = Readonly<Record<string, unknown>>

export type FieldDecision =
  /** Cannot change the answer; the text says why. */
  | { counts: false; because: string }
  | {
      counts: true
      /** What the value means, undefined where it means the same as leaving the field out. */
      means?: (value: unknown, body: Body) => unknown
      /** Under which name it counts. */
      as?: (body: Body) => string
      /** Of how many levels of objects the order of keys cannot matter. Deeper it counts: schemas and tools are shown to the model in their order. */
      unorderedLevels?: number
    }

const counts: FieldDecision = { counts: true }

/**
 * Only defaults that OpenAI documents, or that every server must have: what vLLM's own fields (top_k, min_p, repetition_penalty) are when
 * left out, it may read from the model's files.
 */
const countsUnless = (byDefault: unknown): FieldDecision => ({
  counts: true,
  means: (value) => (value === byDefault ? undefined : value),
})

/** Where the likeliest token is always taken, nothing is left to choose from (src/contract/sampling.ts, 2). */
const countsWhenSampled = (means: (value: unknown) => unknown): FieldDecision => ({
  counts: true,
  means: (value, body) => (body.temperature === 0 ? undefined : means(value)),
})

const onlyView: FieldDecision = {
  counts: false,
  because: 'The model is always asked for it; it says what the caller gets to see.',
}
const onlyLabel: FieldDecision = { counts: false, because: 'A label for whoever counts or traces.' }

const unlessEmpty = (value: unknown) => (Array.isArray(value) && value.length === 0 ? undefined : value)

const SHARED: Readonly<Record<string, FieldDecision>> = {
  model: { counts: false, because: 'The alias and what it stands for are in the key by themselves.' },
  stream: onlyView,
  stream_options: { counts: true, means: withoutUsageOption, unorderedLevels: 1 },
  return_token_ids: onlyView,
  temperature: countsUnless(1),
  top_p: countsWhenSampled((value) => (value === 1 ? undefined : value)),
  // 0 and -1 both mean no limit.
  top_k: countsWhenSampled((value) => (value === -1 ? 0 : value)),
  min_p: countsWhenSampled((value) => value),
  presence_penalty: countsUnless(0),
  frequency_penalty: countsUnless(0),
  repetition_penalty: counts,
  min_tokens: countsUnless(0),
  ignore_eos: countsUnless(false),
  stop_token_ids: { counts: true, means: unlessEmpty },
  // Also at temperature 0: whoever gives another one wants another answer.
  seed: counts,
  stop: { counts: true, means: (value) => unlessEmpty(typeof value === 'string' ? [value] : value) },
  n: countsUnless(1),
  // Not in the schemas, and sent by OpenAI's clients.
  user: onlyLabel,
  metadata: onlyLabel,
  safety_identifier: onlyLabel,
  prompt_cache_key: { counts: false, because: 'Says where a prompt may be remembered, not what is answered.' },
  perigee: { counts: false, because: 'Reserved: the edge drops it.' },
  logit_bias: { counts: true, means: unlessNoFields, unorderedLevels: 1 },
}

/** Fields by kind of request. */
export const FIELD_DECISIONS: Readonly<Record<ModelRequest['kind'], Readonly<Record<string, FieldDecision>>>> = {
  chat: {
    ...SHARED,
    messages: counts,
    max_completion_tokens: counts,
    // The older name. Where both are given each counts.
    max_tokens: {
      counts: true,
      as: (body) => (isGiven(body.max_completion_tokens) ? 'max_tokens' : 'max_completion_tokens'),
    },
    logprobs: countsUnless(false),
    top_logprobs: countsUnless(0),
    add_generation_prompt: countsUnless(true),
    continue_final_message: countsUnless(false),
    // Its own fields and those of `json_schema`. The schema's order is the order of the answer's fields.
    response_format: { counts: true, unorderedLevels: 2 },
  },
  text: {
    ...SHARED,
    max_tokens: counts,
    // Unlike chat's, 0 is not the same as none.
    logprobs: counts,
    echo: countsUnless(false),
    best_of: countsUnless(1),
    prompt: { counts: true, means: (value) => (isOneText(value) ? value[0] : value) },
  },
}

export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

function isOneText(value: unknown): value is [string] {
  return Array.isArray(value) && value.length === 1 && typeof value[0] === 'string'
}

/** `include_usage` is a view; servers have further options. */
function withoutUsageOption(value: unknown): unknown {
  const { include_usage: _, ...rest } = value as Body // Sound: the schema lets only an object pass.
  return unlessNoFields(rest)
}

function unlessNoFields(value: unknown): unknown {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0 ? undefined : value
}
