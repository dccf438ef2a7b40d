/** Requests that were right once: valid ones of every route, with a few things broken by a seeded hand. */
import type { Random } from '../../support/seeded-random.ts'

export type RawRequest = {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer
  /** The caller leaves: after so many bytes of the body, or so many milliseconds into the answer. */
  leaves: { afterBodyBytes: number } | { afterMs: number } | null
}

type Json = null | boolean | number | string | Json[] | { [field: string]: Json }

/** One body per route; short answers, so that thousands fit into a minute. */
const VALID: readonly (readonly [string, Json])[] = [
  ['/v1/chat/completions', chat({ stream: true, temperature: 0, max_tokens: 3 })],
  ['/v1/chat/completions', chat({ seed: 7, temperature: 0.9, top_p: 0.9, top_k: 40, stop: ['\n'], max_tokens: 3 })],
  ['/v1/chat/completions', chat({ stream: true, stream_options: { include_usage: true }, max_completion_tokens: 2 })],
  [
    '/v1/chat/completions',
    chat({
      max_tokens: 4,
      perigee: { continue: { prompt_token_ids: [1, 2, 3], output_token_ids: [28, 29], sent_chars: 1 } },
    }),
  ],
  ['/v1/completions', { model: 'smollm2-135m-instruct', prompt: 'One, two,', max_tokens: 3, return_token_ids: true }],
  ['/v1/completions', { model: 'smollm2-135m-instruct', prompt: [1, 5, 9, 20], max_tokens: 2, stream: true }],
  [
    '/v1/completions',
    { model: 'smollm2-135m-instruct', prompt: ['a', 'b'], echo: true, logprobs: 2, max_tokens: 1, n: 2 },
  ],
  [
    '/v1/chat/completions',
    chat({ max_tokens: 4, logprobs: true, top_logprobs: 2, presence_penalty: 1, logit_bias: { 5: -100 }, min_p: 0.1 }),
  ],
  ['/v1/chat/completions', chat({ max_tokens: 6, response_format: { type: 'json_object' }, stream: true })],
  [
    '/v1/chat/completions',
    chat({
      max_tokens: 6,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'n', schema: { type: 'object', properties: { a: { type: 'integer', minimum: 3 } } } },
      },
    }),
  ],
  [
    '/v1/chat/completions',
    chat({
      ...{ max_tokens: 6, tool_choice: 'auto', parallel_tool_calls: false },
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', required: ['x'] } } }],
    }),
  ],
  ['/v1/embeddings', { model: 'all-minilm-l6-v2', input: ['a', 'b c'], encoding_format: 'base64' }],
  ['/detokenize', { tokens: [504, 28, 29] }],
  ['/v1/load_lora_adapter', { lora_name: 'x', lora_path: '../x' }],
  ['/generate', { text: 'The sea', max_length: 3 }],
  ['/tokenize', { prompt: 'Hello there.' }],
  ['/tokenize', { messages: [{ role: 'user', content: 'Hi' }], return_tokens: false }],
]

function chat(rest: { [field: string]: Json }): Json {
  return { model: 'smollm2-135m-instruct', messages: [{ role: 'user', content: 'What is 7 + 5?' }], ...rest }
}

/** Values that code forgets: JSON texts, since some of them no JavaScript value serialises to. */
const HOSTILE: readonly string[] = [
  ...['null', 'true', '0', '-1', '-0', '1e400', '-1e400', '1e-320', '9007199254740993', '0.1', '4294967296', 'NaN'],
  ...['""', '"\\u0000"', '"\\ud800"', '"\ufeff"', '[]', '{}', '[[]]', '{"__proto__":{"stream":true}}', '[null]'],
  ...['{"toString":1}', '"<|im_end|>"', '[1,2,3]', '["a"]', '{"type":"text","text":"x"}', 'undefined', '1_000', "'x'"],
]

const LARGE: readonly ((random: Random) => string)[] = [
  (random) => JSON.stringify('x'.repeat(1 + random.below(200_000))),
  (random) => `[${Array.from({ length: random.below(20_000) }, () => random.below(100_000)).join()}]`,
  (random) => `[${Array.from({ length: random.below(10_000) }, (_, i) => JSON.stringify(`stop ${i}`)).join()}]`,
  (random) => '['.repeat(random.below(20_000)),
  (random) => `{${Array.from({ length: random.below(20_000) }, (_, i) => `"${i}":${random.below(201) - 100}`).join()}}`,
  (random) => JSON.stringify('\u{1f469}\u200d\u{1f680}é漢'.repeat(1 + random.below(2_000))),
]

const FIELDS: readonly string[] = [
  ...['logit_bias', 'stop', 'n', 'seed', 'temperature', 'top_p', 'top_k', 'min_p', 'max_tokens', 'tools', 'messages'],
  ...['response_format', 'logprobs', 'top_logprobs', 'presence_penalty', 'perigee', 'prompt', '__proto__', 'stream'],
  ...['constructor', 'echo', 'best_of', 'user', 'stream_options', 'continue_final_message', 'ignore_eos', 'x', ''],
]

const HEADERS: readonly Record<string, string>[] = [
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/json; charset=utf-16' },
  { 'content-type': '' },
  { 'content-encoding': 'gzip' },
  { authorization: `Bearer ${'x'.repeat(5_000)}` },
  { expect: '100-continue' },
  { 'accept-encoding': 'br' },
]

/** Large values are rarer: reading them is slow, and they find the same kinds of mistakes each time. */
const LARGE_SHARE = 0.04

export function mutatedRequest(random: Random): RawRequest {
  const [path, valid] = random.pick(VALID)
  let text = JSON.stringify(valid)
  for (let left = random.below(4); left > 0; left--) text = mutateText(text, random)
  const whole = Buffer.from(text)
  const body = random.chance(0.15) ? mutateBytes(whole, random) : whole
  return {
    method: random.chance(0.02) ? random.pick(['GET', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']) : 'POST',
    path: random.chance(0.02)
      ? random.pick(['/', '/v1/models', '/metrics', '/health', '/v1/chat/completions/', '/%00', '/v1/%2e%2e/x?y'])
      : path,
    headers: { 'content-type': 'application/json', ...(random.chance(0.05) ? random.pick(HEADERS) : {}) },
    body,
    leaves: random.chance(0.03)
      ? { afterBodyBytes: random.below(body.length + 1) }
      : random.chance(0.1)
        ? { afterMs: random.below(60) }
        : null,
  }
}

/** Changes one value, adds a field, or removes one, in the JSON text itself, so that the result need not be JSON. */
function mutateText(text: string, random: Random): string {
  const value = () => (random.chance(LARGE_SHARE) ? random.pick(LARGE)(random) : random.pick(HOSTILE))
  const kind = random.below(3)
  if (kind === 0 && text.startsWith('{')) return `{${JSON.stringify(random.pick(FIELDS))}:${value()},${text.slice(1)}`
  // Values of fields and items: what stands between a colon or a bracket and the next comma or bracket.
  const places = [...text.slice(0, 20_000).matchAll(/([:[,])("(?:[^"\\]|\\.)*"|[^,"[\]{}:]+)(?=[,\]}])/g)]
  const place = places[random.below(places.length)]
  if (place === undefined) return text
  const [whole, before = ''] = place
  const end = place.index + whole.length
  return text.slice(0, place.index) + before + (kind === 1 ? value() : '') + text.slice(end)
}

function mutateBytes(body: Buffer, random: Random): Buffer {
  const kind = random.below(3)
  if (kind === 0) return body.subarray(0, random.below(body.length + 1))
  const changed = Buffer.from(body)
  if (kind === 1) {
    for (let left = 1 + random.below(4); left > 0; left--) changed[random.below(body.length)] = random.below(256)
    return changed
  }
  const at = random.below(body.length + 1)
  return Buffer.concat([changed.subarray(0, at), changed.subarray(random.below(at + 1))])
}
