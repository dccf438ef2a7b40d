/** `npm start -- --upstream`: from what a person types to the models that are served. */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { findUpstream } from '../../../scripts/start/find-upstream.ts'
import { parseOptions, type UpstreamOptions } from '../../../scripts/start/options.ts'
import { upstreamPlace } from '../../../scripts/start/upstream-place.ts'
import { aliasOf, type Upstream, withUpstream } from '../../../scripts/start/with-upstream.ts'
import { type RoutingConfig, routingConfigSchema } from '../../../src/contract/routing-config.ts'

const KEY = 'sk-a-secret-that-is-told-nobody'
const ASKED: UpstreamOptions = {
  upstream: 'https://models.example.com/v1',
  url: undefined,
  keyEnv: 'THE_KEY',
  models: [],
}

/** `answers`: by path. What is not there is 404. */
function find(options: Partial<UpstreamOptions>, answers: Record<string, () => Response | Promise<Response>>) {
  const asked: { url: string; authorization: string | null }[] = []
  const fetcher = async (url: unknown, init?: RequestInit) => {
    asked.push({ url: String(url), authorization: new Headers(init?.headers).get('authorization') })
    return answers[new URL(String(url)).pathname]?.() ?? new Response('', { status: 404 })
  }
  return findUpstream({ ...ASKED, ...options }, { THE_KEY: KEY }, fetcher as typeof fetch).then((found) => ({
    found,
    asked,
  }))
}
const list =
  (...ids: string[]) =>
  () =>
    Response.json({ object: 'list', data: ids.map((id) => ({ id })) })

test.each([
  'https://models.example.com',
  'https://models.example.com/',
  'https://models.example.com/v1',
  'https://models.example.com/v1/',
])('an address is the same with and without the /v1: %s', async (upstream) => {
  const { found, asked } = await find({ upstream }, { '/v1/models': list('a', 'b') })
  expect(found).toMatchObject({
    kind: 'upstream',
    upstream: { url: 'https://models.example.com', path: undefined, models: ['a', 'b'] },
  })
  expect(asked).toEqual([{ url: 'https://models.example.com/v1/models', authorization: `Bearer ${KEY}` }])
})

test('one that has no /v1 at all is found too', async () => {
  const { found } = await find({ upstream: 'https://models.example.com/api' }, { '/api/models': list('a') })
  expect(found).toMatchObject({ kind: 'upstream', upstream: { url: 'https://models.example.com/api', path: '' } })
})

test('a provider’s own address is its preset, with its usual key', () => {
  expect(upstreamPlace('https://api.groq.com/openai/v1', undefined)).toMatchObject({
    place: { preset: 'groq', keyEnv: 'GROQ_API_KEY', isOwnUrl: false },
  })
  expect(upstreamPlace('groq', undefined)).toMatchObject({
    place: { preset: 'groq', url: 'https://api.groq.com', paths: ['/openai/v1'] },
  })
})

test('a preset’s usual key goes to no other address than the provider’s', () => {
  expect(upstreamPlace('groq', 'https://elsewhere.example.com')).toMatchObject({
    place: { keyEnv: undefined, isOwnUrl: true },
  })
})

test('a preset without an address of its own asks for one, and takes it with its path or without', () => {
  expect(upstreamPlace('azure-openai', undefined)).toMatchObject({
    kind: 'wrong',
    message: expect.stringContaining('--upstream-url https://{resource}'),
  })
  for (const url of ['https://a.openai.azure.com', 'https://a.openai.azure.com/openai/v1/']) {
    expect(upstreamPlace('azure-openai', url)).toMatchObject({
      place: { url: 'https://a.openai.azure.com', auth: 'api-key', isOwnUrl: true },
    })
  }
})

test.each([
  [
    'a key that is refused',
    { '/v1/models': () => new Response('', { status: 401 }) },
    /refused the key in THE_KEY \(401\)/,
  ],
  [
    'an address where nobody is',
    {
      '/v1/models': () =>
        Promise.reject(
          Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) }),
        ),
    },
    /cannot be reached \(ECONNREFUSED\)/,
  ],
  ['an endpoint that lists nothing', {}, /it answered 404\. Name them: --upstream-model/],
  ['an answer that is no list', { '/v1/models': () => new Response('<html>') }, /no list of models\. Name them/],
  [
    'more models than an installation has',
    { '/v1/models': list(...Array.from({ length: 300 }, (_, at) => `m${at}`)) },
    /lists 300 models.*Name those/,
  ],
])(
  '%s is told in a sentence, without the key',
  async (_, answers: Record<string, () => Response | Promise<Response>>, sentence) => {
    const { found } = await find({}, answers)
    expect(found).toMatchObject({ kind: 'wrong', message: expect.stringMatching(sentence) })
    expect(JSON.stringify(found)).not.toContain(KEY)
  },
)

test('a variable that is not set is named', async () => {
  expect((await find({ keyEnv: 'NOBODYS' }, {})).found).toMatchObject({
    kind: 'wrong',
    message: expect.stringMatching(/^NOBODYS is not set/),
  })
})

test('models that are named are taken, also where there is no list', async () => {
  expect((await find({ models: ['x'] }, {})).found).toMatchObject({
    kind: 'upstream',
    aliases: ['x'],
    notes: [expect.stringContaining('it answered 404')],
  })
  const { found } = await find({ models: ['x', 'a'] }, { '/v1/models': list('a', 'b') })
  expect(found).toMatchObject({ aliases: ['x', 'a'], notes: ["Not in the upstream's own list: x"] })
})

const UPSTREAM: Upstream = {
  preset: undefined,
  url: 'https://models.example.com',
  path: undefined,
  hasKey: true,
  models: ['a', 'models/b', 'org/c:free'],
}
const EMPTY: RoutingConfig = { deployments: {}, models: {} }

test('twice is once, and the document is good', () => {
  const once = withUpstream(EMPTY, UPSTREAM)
  expect(routingConfigSchema.parse(once)).toEqual(once)
  expect(Object.keys(once.models)).toEqual(['a', 'b', 'org/c:free'])
  expect(withUpstream(once, UPSTREAM)).toEqual(once)
})

test('another upstream takes the place of the one before, whose key it must not be sent', () => {
  const next = withUpstream(withUpstream(EMPTY, UPSTREAM), {
    ...UPSTREAM,
    url: 'https://other.example.com',
    models: ['z'],
  })
  expect(JSON.stringify(next)).not.toContain('models.example.com')
  expect(Object.keys(next.models)).toEqual(['z'])
})

test('what others configured stays', () => {
  const own = { adapter: 'openai' as const, url: 'https://own.example.com', model: 'm' }
  const before: RoutingConfig = {
    deployments: { own },
    models: {
      a: { targets: [{ deployment: 'own' }], strategy: 'cheapest' },
      chat: { targets: [{ deployment: 'own' }, { deployment: 'upstream-a', priority: 1 }] },
    },
  }
  const config = withUpstream({ ...before, deployments: { own, 'upstream-a': own } }, UPSTREAM)
  expect(config.models.a).toEqual(before.models.a)
  expect(config.models.chat).toEqual(before.models.chat)
  expect(config.deployments.own).toEqual(own)
})

test('models whose names are alike are deployments of their own', () => {
  const { deployments } = withUpstream(EMPTY, {
    ...UPSTREAM,
    models: ['a/b', 'a:b', 'a-b', 'x'.repeat(200), `${'x'.repeat(199)}y`],
  })
  expect(Object.keys(deployments)).toHaveLength(5)
  expect(routingConfigSchema.safeParse({ deployments, models: {} }).success).toBe(true)
})

test('a name that cannot be an alias is left out', () => {
  expect(aliasOf('a name')).toBeUndefined()
  expect(aliasOf('@cf/meta/llama')).toBe('cf/meta/llama')
  expect(aliasOf('models/gemini')).toBe('gemini')
})

test.each([
  [['--upstream-model', 'x'], /--upstream-model goes with --upstream/],
  [['--upstream', 'groq', '--config', 'a.yaml'], /exclude each other/],
])('options that mean nothing together are refused: %j', (argv, sentence) => {
  expect(parseOptions(argv)).toMatchObject({ kind: 'wrong', message: expect.stringMatching(sentence) })
})

test('nothing of the inference server is loaded with --no-inference', () => {
  const ROOT = resolve(import.meta.dirname, '../../..')
  const seen = new Set<string>()
  const packages = new Set<string>()
  const visit = (file: string) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, from = ''] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|\} from)\s(?!type\b)[^'\n]*'([^']+)'/gm,
    )) {
      if (from.startsWith('.')) visit(join(dirname(file), from))
      else packages.add(from)
    }
  }
  visit(join(ROOT, 'scripts/start.ts'))
  const ours = [...seen].map((file) => file.slice(ROOT.length + 1))
  expect(ours).toContain('scripts/start/find-models.ts')
  // The lock's file alone, which has no import but Node's.
  expect(ours.filter((file) => file.startsWith('functions/'))).toEqual(['functions/inference/models/file-lock.ts'])
  expect([...packages].filter((name) => !name.startsWith('node:')).sort()).toEqual(['zod/mini'])
})
