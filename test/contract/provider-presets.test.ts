/** Every preset against its provider's documented shapes, through the real adapters, and what its quirks make of a request. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { UpstreamCall } from '../../src/chat/ports.ts'
import type { ChatChunk } from '../../src/contract/chat-completion.ts'
import { PRESET_NAMES, PRESETS, type PresetName, QUIRKS } from '../../src/contract/provider-presets.ts'
import { deploymentConfigSchema } from '../../src/contract/routing-config.ts'
import { toChatRequest } from '../../src/http/messages/to-chat-request.ts'
import { hasPlaceholder, withPreset } from '../../src/registry/with-preset.ts'
import { makeAdapter } from '../../src/wiring/adapters.ts'
import { FIXTURES } from './provider-fixtures.ts'

const REPLAYED = PRESET_NAMES

function callOf(body: object, kind: 'chat' | 'text' = 'chat'): UpstreamCall {
  const waits = { connect: 1_000, firstToken: 1_000, firstTokenWhileWaiting: 1_000, betweenTokens: 1_000, total: 1_000 }
  // Sound: what the tests send.
  const request = { kind, body: { model: 'alias', ...body } } as UpstreamCall['request']
  return { request, model: 'm-1', seed: 7, drawnSeed: false, requestId: 'req_1', timeouts: waits }
}

type Sent = { url: string; headers: Headers; body: Record<string, unknown> }

/** Opens a call of a deployment that names the preset; the endpoint answers with `response`. */
async function ask(preset: PresetName, call: UpstreamCall, response: Response, more: object = {}) {
  const url = hasPlaceholder(PRESETS[preset].url) ? { url: PRESETS[preset].url.replace(/\{\w+\}/g, 'x') } : {}
  const config = deploymentConfigSchema.parse({ preset, model: 'm-1', ...url, ...more })
  let sent: Sent | undefined
  const make = makeAdapter({
    apiKeyOf: () => 'sk-1',
    secretOf: () => undefined,
    endpointOf: () => Promise.resolve(undefined),
    fetch: async (target, init) => {
      const { headers, body } = init as RequestInit
      sent = { url: String(target), headers: new Headers(headers), body: JSON.parse(String(body)) }
      return response
    },
  })
  const opened = await make('d', withPreset(config))
    .upstream.open(call, new AbortController().signal)
    .then(
      (stream) => ({ stream }),
      (error: unknown) => ({ error }),
    )
  if (!sent) throw new Error('Nothing was sent.')
  return { ...opened, sent: sent as Sent }
}

/** Not a stream of bytes: workerd's are read in its own way, which Node has not. */
function streamOf(text: string): Response {
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text))
      controller.close()
    },
  })
  return new Response(stream, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } })
}

const HI = { messages: [{ role: 'user', content: 'Hi' }] }

test.each(REPLAYED)('%s: its documented stream is read whole, with its usage', async (preset) => {
  const { stream: text, says } = FIXTURES[preset]
  const { stream } = await ask(preset, callOf(HI), streamOf(text)).then((asked) => {
    if (!('stream' in asked)) throw asked.error
    return asked
  })
  const said = { text: '', thinks: '', finish: '', tokens: 0 }
  for await (const events of stream) {
    for (const { choices, usage } of events as readonly ChatChunk[]) {
      const delta = choices[0]?.delta ?? {}
      said.text += delta.content ?? ''
      said.thinks += delta.reasoning_content ?? ''
      said.finish ||= choices[0]?.finish_reason ?? ''
      said.tokens = usage?.total_tokens ?? said.tokens
    }
  }
  expect(said).toEqual({ thinks: '', ...says })
})

test.each(REPLAYED)('%s: its documented refusal is understood', async (preset) => {
  const { refusal } = FIXTURES[preset]
  const { error } = await ask(preset, callOf(HI), Response.json(refusal.body, { status: refusal.status })).then(
    (asked) => {
      if (!('error' in asked)) throw new Error('It was accepted.')
      return asked
    },
  )
  expect(error).toMatchObject({ code: refusal.code, ...(refusal.message ? { message: refusal.message } : {}) })
})

test.each<[PresetName, string]>([
  ['openai', 'https://api.openai.com/v1/chat/completions'],
  ['azure-openai', 'https://x.openai.azure.com/openai/v1/chat/completions'],
  ['anthropic', 'https://api.anthropic.com/v1/messages'],
  ['gemini', 'https://generativelanguage.googleapis.com/v1beta/openai/chat/completions'],
  ['groq', 'https://api.groq.com/openai/v1/chat/completions'],
  ['fireworks', 'https://api.fireworks.ai/inference/v1/chat/completions'],
  ['qwen', 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions'],
  ['zhipu', 'https://open.bigmodel.cn/api/paas/v4/chat/completions'],
  ['openrouter', 'https://openrouter.ai/api/v1/chat/completions'],
  ['workers-ai', 'https://api.cloudflare.com/client/v4/accounts/x/ai/v1/chat/completions'],
  ['bedrock', 'https://bedrock-mantle.x.api.aws/v1/chat/completions'],
  ['vertex', 'https://x-aiplatform.googleapis.com/v1/projects/x/locations/x/endpoints/openapi/chat/completions'],
])('%s is asked at %s', async (preset, url) => {
  const { sent } = await ask(preset, callOf(HI), streamOf(FIXTURES[preset as 'openai'].stream))
  expect(sent.url).toBe(url)
})

test('a key is sent in the header that the provider reads, and in no other', async () => {
  const azure = await ask('azure-openai', callOf(HI), streamOf(FIXTURES['azure-openai'].stream))
  expect(azure.sent.headers.get('api-key')).toBe('sk-1')
  expect(azure.sent.headers.has('authorization')).toBe(false)
  const groq = await ask('groq', callOf(HI), streamOf(FIXTURES.groq.stream))
  expect(groq.sent.headers.get('authorization')).toBe('Bearer sk-1')
})

test('Anthropic is sent its own shape, version and key header, also what came as /v1/messages', async () => {
  const { sent } = await ask('anthropic', callOf(FROM_ANTHROPIC), streamOf(FIXTURES.anthropic.stream))
  expect(sent.headers.get('x-api-key')).toBe('sk-1')
  expect(sent.headers.get('anthropic-version')).toBe('2023-06-01')
  expect(sent.headers.has('authorization')).toBe(false)
  expect(sent.body).toMatchObject({ model: 'm-1', stream: true, max_tokens: expect.any(Number) })
  expect(JSON.stringify(sent.body)).toContain('cache_control')
  expect(sent.body).not.toHaveProperty('stream_options')
})

test('a cut stream of Anthropic is no answer', async () => {
  const [cut = ''] = FIXTURES.anthropic.stream.split('event: message_delta')
  const { stream } = (await ask('anthropic', callOf(HI), streamOf(cut))) as { stream: AsyncIterable<unknown> }
  const reading = async () => {
    for await (const _ of stream);
  }
  await expect(reading()).rejects.toMatchObject({ code: 'upstream_interrupted' })
})

test('what a deployment says itself wins over its preset', async () => {
  const own = { url: 'https://proxy.example.com/groq', path: '/v2', auth: 'api-key', quirks: ['no_user'] }
  const { sent } = await ask('groq', callOf({ ...HI, user: 'u', top_k: 3 }), streamOf(FIXTURES.groq.stream), own)
  expect(sent.url).toBe('https://proxy.example.com/groq/v2/chat/completions')
  expect(sent.headers.get('api-key')).toBe('sk-1')
  expect(sent.body).toMatchObject({ top_k: 3 })
  expect(sent.body).not.toHaveProperty('user')
})

test('Mistral is sent its own names, and nothing that it refuses', async () => {
  const messages = [{ role: 'developer', content: 'Be short.' }, ...HI.messages]
  const body = { messages, max_completion_tokens: 5, user: 'u', top_k: 3, temperature: 1 }
  const { sent } = await ask('mistral', callOf(body), streamOf(FIXTURES.mistral.stream))
  expect(sent.body).toEqual({
    model: 'm-1',
    messages: [{ role: 'system', content: 'Be short.' }, ...HI.messages],
    temperature: 1,
    stream: true,
    random_seed: 7,
    max_tokens: 5,
  })
})

test('OpenAI is sent max_completion_tokens, and the caller’s own where both are given', async () => {
  const { sent } = await ask('openai', callOf({ ...HI, max_tokens: 5 }), streamOf(FIXTURES.openai.stream))
  expect(sent.body).toMatchObject({ max_completion_tokens: 5 })
  expect(sent.body).not.toHaveProperty('max_tokens')
  const both = callOf({ ...HI, max_tokens: 5, max_completion_tokens: 6 })
  expect((await ask('openai', both, streamOf(FIXTURES.openai.stream))).sent.body).toMatchObject({
    max_completion_tokens: 6,
  })
})

test('a text completion keeps max_tokens, the only name it has', async () => {
  const text = 'data: {"choices":[{"index":0,"text":"x","finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
  const { sent } = await ask('openai', callOf({ prompt: 'x', max_tokens: 5 }, 'text'), streamOf(text))
  expect(sent.body).toMatchObject({ prompt: 'x', max_tokens: 5 })
})

const FROM_ANTHROPIC = toChatRequest({
  model: 'alias',
  max_tokens: 5,
  system: [{ type: 'text', text: 'Be short.', cache_control: { type: 'ephemeral' } }],
  thinking: { type: 'enabled', budget_tokens: 1_024 },
  tools: [{ name: 't', input_schema: { type: 'object' }, cache_control: { type: 'ephemeral' } }],
  messages: [
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 's' },
        { type: 'tool_use', id: 'c1', name: 't', input: {}, cache_control: { type: 'ephemeral' } },
      ],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: 'no', is_error: true }] },
  ],
})

test.each(REPLAYED.filter((name) => PRESETS[name].quirks.includes('no_message_extras')))(
  '%s sees nothing of Anthropic’s in a request that came in Anthropic’s shape',
  async (preset) => {
    const { sent } = await ask(preset, callOf(FROM_ANTHROPIC), streamOf(FIXTURES[preset].stream))
    expect(JSON.stringify(sent.body)).not.toMatch(/cache_control|thinking_blocks|is_error|signature/)
    expect(sent.body.messages).toHaveLength(3)
    expect(sent.body).toHaveProperty('tools.0.function.name', 't')
  },
)

test('one that knows Anthropic’s fields is sent them', async () => {
  const { sent } = await ask('litellm', callOf(FROM_ANTHROPIC), streamOf(FIXTURES.litellm.stream))
  expect(JSON.stringify(sent.body)).toMatch(/cache_control.*thinking_blocks.*is_error/)
  expect(sent.body).toHaveProperty('thinking')
})

test('the seed, the penalties and names are left out where they are refused', async () => {
  const body = {
    messages: [{ role: 'user', name: 'ann', content: 'Hi' }],
    frequency_penalty: 1,
    parallel_tool_calls: false,
  }
  expect((await ask('gemini', callOf(body), streamOf(FIXTURES.gemini.stream))).sent.body).not.toHaveProperty('seed')
  const cerebras = await ask('cerebras', callOf(body), streamOf(FIXTURES.cerebras.stream))
  expect(cerebras.sent.body).not.toHaveProperty('frequency_penalty')
  expect(cerebras.sent.body).not.toHaveProperty('parallel_tool_calls')
  expect((await ask('groq', callOf(body), streamOf(FIXTURES.groq.stream))).sent.body.messages).toEqual(HI.messages)
})

test('docs/providers.md has every preset, where it is asked, its key’s variable, and every quirk', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/providers.md'), 'utf8')
  for (const name of PRESET_NAMES) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))
    const { url, path, keyEnv } = PRESETS[name]
    expect(row).toContain(`${url}${path}`)
    if (keyEnv !== undefined) expect(row).toContain(keyEnv)
  }
  for (const quirk of QUIRKS) expect(page).toContain(`\`${quirk}\``)
})

test('only our own was run against the real service', () => {
  expect(PRESET_NAMES.filter((name) => PRESETS[name].tried)).toEqual(['perigee'])
})
