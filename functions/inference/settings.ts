/** Every setting of the inference server: an option of the command line, else an environment variable, else the default here. One table, which is why it is long. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import * as z from 'zod/mini'
import { deploymentIdSchema } from '../../src/contract/routing-config.ts'
import { ADAPTER_NAME } from './adapters/adapter-name.ts'
import { CHUNK_TOKENS_DEFAULT, CHUNK_TOKENS_MIN } from './engine/chunk-length.ts'
import { SPIN_US_DEFAULT } from './engine/spin.ts'
import type { Access } from './http/authorize.ts'
import { DEFAULT_MODEL } from './models/catalogue.ts'
import { DEFAULT_EMBEDDING_MODEL } from './models/embedding-catalogue.ts'

z.config(z.locales.en())

export type Settings = {
  /** Behind SageMaker: /ping and /invocations are open. */
  sagemaker: boolean
  host: string
  port: number
  access: Access
  /** A name of the catalogue, the path of a GGUF file or of an exported folder, or a file of the Hub. */
  model: string
  /** Null: as many as memory allows. */
  slots: number | null
  queueMax: number
  /** Tokens per slot; the model's own limit where that is smaller. */
  context: number
  threads: number
  spinUs: number
  chunkTokens: number
  chunkMs: number
  /** Null: as much as memory allows. */
  prefixCacheMb: number | null
  batchInvariant: 'always' | 'seeded' | 'never'
  /** LoRA adapters to load at the start. */
  adapters: { name: string; path: string }[]
  /** Adapters below it may be loaded at run time; null for none. */
  adaptersDir: string | null
  embedding: EmbeddingSettings
  /** Null: the configuration of the edge says where this server is. */
  announce: AnnounceSettings | null
}

export type AnnounceSettings = {
  /** The edge. */
  edgeUrl: string
  /** Where the edge reaches this server. */
  ownUrl: string
  /** Which deployment of the configuration this server is. */
  deployment: string
  secret: string
}

export type EmbeddingSettings = {
  /** A name of the catalogue, the path of a folder or graph, or `none`. */
  model: string
  start: 'first-use' | 'at-start'
  /** Inputs per batch. */
  batchMax: number
  waitMs: number
}

export type ParsedSettings =
  | { kind: 'settings'; settings: Settings }
  | { kind: 'help'; text: string }
  | { kind: 'wrong'; message: string }

const whole = (min: number, max: number) => z.pipe(z.coerce.number(), z.int().check(z.minimum(min), z.maximum(max)))

/** `auto` is null. */
const wholeOrAuto = (min: number, max: number) =>
  z.union([
    z.pipe(
      z.literal('auto'),
      z.transform(() => null),
    ),
    whole(min, max),
  ])

const URL_OR_NONE = z.union([
  z.literal(''),
  z.url({ protocol: /^https?$/ }).check(z.regex(/^[^@?#]*$/, 'must have no user, query or fragment')),
])

type Option = { env: string; fallback: string; schema: z.ZodMiniType; help: string }

const OPTIONS = {
  port: {
    env: 'PERIGEE_INFERENCE_PORT',
    fallback: '8080',
    schema: whole(0, 65_535),
    help: 'port to listen on; 0 takes any free one',
  },
  host: {
    env: 'PERIGEE_INFERENCE_HOST',
    fallback: '127.0.0.1',
    schema: z.string().check(z.minLength(1)),
    help: 'address to listen on; one that is not loopback needs PERIGEE_INFERENCE_KEY or --no-auth',
  },
  model: {
    env: 'PERIGEE_INFERENCE_MODEL',
    fallback: DEFAULT_MODEL,
    schema: z.string().check(z.minLength(1)),
    help: 'name of a known model (npm run models -- list), path of a GGUF file or of a folder that models -- export wrote, or hf:OWNER/REPO/FILE.gguf[@REVISION]',
  },
  slots: {
    env: 'PERIGEE_INFERENCE_SLOTS',
    fallback: 'auto',
    schema: wholeOrAuto(1, 256),
    help: 'requests that run at once; auto takes 2 to 16, by the memory that is free',
  },
  queue: {
    env: 'PERIGEE_INFERENCE_QUEUE',
    fallback: '64',
    schema: whole(0, 65_536),
    help: 'requests that may wait for a slot; one more gets 503',
  },
  context: {
    env: 'PERIGEE_INFERENCE_CONTEXT',
    fallback: '4096',
    schema: whole(16, 1_048_576),
    help: "tokens of prompt and answer together, at most the model's own limit; each slot may take that much memory",
  },
  threads: {
    env: 'PERIGEE_INFERENCE_THREADS',
    fallback: String(availableParallelism()),
    schema: whole(1, 1_024),
    help: 'threads of the engine; default all cores',
  },
  'spin-us': {
    env: 'PERIGEE_INFERENCE_SPIN_US',
    fallback: String(SPIN_US_DEFAULT),
    schema: whole(0, 1_000_000),
    help: 'how long an idle thread of the engine looks for work before it sleeps; 1000 where all cores are its own',
  },
  chunk: {
    env: 'PERIGEE_INFERENCE_CHUNK',
    fallback: String(CHUNK_TOKENS_DEFAULT),
    schema: whole(CHUNK_TOKENS_MIN, 4_096),
    help: 'prompt tokens per run at most: more reads prompts faster, and whoever comes meanwhile waits longer',
  },
  'chunk-ms': {
    env: 'PERIGEE_INFERENCE_CHUNK_MS',
    fallback: '100',
    schema: whole(1, 60_000),
    help: 'about how long a run over a prompt may take while others wait for their next token',
  },
  'prefix-cache-mb': {
    env: 'PERIGEE_INFERENCE_PREFIX_CACHE_MB',
    fallback: 'auto',
    schema: wholeOrAuto(0, 1_048_576),
    help: 'memory for earlier prompts and answers, so that a conversation is not read again at every turn; 0 turns it off',
  },
  'batch-invariant': {
    env: 'PERIGEE_INFERENCE_BATCH_INVARIANT',
    fallback: 'seeded',
    schema: z.enum(['always', 'seeded', 'never']),
    help: 'who gets an answer that does not depend on company: always, seeded (and temperature 0), never',
  },
  'adapters-dir': {
    env: 'PERIGEE_INFERENCE_ADAPTERS_DIR',
    fallback: '',
    schema: z.string(),
    help: 'LoRA adapters below this folder may be loaded at run time; without it none may',
  },
  'announce-url': {
    env: 'PERIGEE_ANNOUNCE_URL',
    fallback: '',
    schema: URL_OR_NONE,
    help: 'the edge, to which the server announces itself every 5 s; needs the next two and PERIGEE_HEARTBEAT_SECRET',
  },
  'announce-as': {
    env: 'PERIGEE_ANNOUNCE_AS',
    fallback: '',
    schema: URL_OR_NONE,
    help: 'where the edge reaches this server, without /v1',
  },
  'announce-deployment': {
    env: 'PERIGEE_ANNOUNCE_DEPLOYMENT',
    fallback: '',
    schema: z.string(),
    help: 'which deployment of the configuration this server is',
  },
  'embedding-model': {
    env: 'PERIGEE_INFERENCE_EMBEDDING_MODEL',
    fallback: DEFAULT_EMBEDDING_MODEL,
    schema: z.string().check(z.minLength(1)),
    help: 'name of a known embedding model, path of a folder that holds one, or none',
  },
  'embedding-start': {
    env: 'PERIGEE_INFERENCE_EMBEDDING_START',
    fallback: 'first-use',
    schema: z.enum(['first-use', 'at-start']),
    help: 'when the embedding model is fetched and loaded: first-use, at-start',
  },
  'embedding-batch': {
    env: 'PERIGEE_INFERENCE_EMBEDDING_BATCH',
    fallback: '32',
    schema: whole(1, 1_024),
    help: 'inputs of all callers that are embedded together, at most',
  },
  'embedding-wait-ms': {
    env: 'PERIGEE_INFERENCE_EMBEDDING_WAIT_MS',
    fallback: '100',
    schema: whole(0, 10_000),
    help: 'how long an input waits for callers that are on their way, at most; a lone one does not wait',
  },
} satisfies Record<string, Option>

type OptionName = keyof typeof OPTIONS

export function parseSettings(argv: readonly string[], env: NodeJS.ProcessEnv): ParsedSettings {
  let parsed: { values: Record<string, string | boolean | (string | boolean)[] | undefined>; positionals: string[] }
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        ...Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, { type: 'string' as const }])),
        adapter: { type: 'string', multiple: true },
        'no-auth': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    return { kind: 'wrong', message: `${error instanceof Error ? error.message : error}\n\n${usage()}` }
  }
  const { values, positionals } = parsed
  if (values.help === true) return { kind: 'help', text: usage() }
  const unknown = positionals.find((word) => word !== 'serve')
  if (unknown !== undefined) return { kind: 'wrong', message: `Unknown argument ${unknown}.\n\n${usage()}` }
  const sagemaker = positionals.includes('serve')

  const read: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(OPTIONS)) {
    // SageMaker reaches the container from outside, and says nothing of addresses.
    const fallback = sagemaker && name === 'host' ? '0.0.0.0' : option.fallback
    const given = values[name] ?? (env[option.env] || undefined)
    const result = option.schema.safeParse(given ?? fallback)
    if (!result.success) {
      const source = values[name] === undefined ? option.env : `--${name}`
      return { kind: 'wrong', message: `${source}: ${result.error.issues[0]?.message} (given: ${String(given)})` }
    }
    read[name] = result.data
  }
  // Sound because each entry was just parsed by the schema of the same name.
  const options = read as { [Name in OptionName]: z.output<(typeof OPTIONS)[Name]['schema']> }
  const access = accessOf(options.host, env.PERIGEE_INFERENCE_KEY || undefined, values['no-auth'] === true, sagemaker)
  if (access === null) {
    const message =
      `Listening on ${options.host} lets others use the model: set PERIGEE_INFERENCE_KEY, or say --no-auth ` +
      'where the network itself keeps others out.'
    return { kind: 'wrong', message }
  }
  const announce = announceOf(options, env.PERIGEE_HEARTBEAT_SECRET || undefined)
  if (typeof announce === 'string') return { kind: 'wrong', message: announce }
  const adapters = parseAdapters(values.adapter ?? env.PERIGEE_INFERENCE_ADAPTERS?.split(',') ?? [])
  if (typeof adapters === 'string') return { kind: 'wrong', message: adapters }
  const { host, port, model, slots, queue, context, threads, chunk, 'batch-invariant': batchInvariant } = options
  const settings = {
    ...{ sagemaker, host, port, access, model, slots, queueMax: queue, context, threads },
    announce,
    ...{ spinUs: options['spin-us'], chunkTokens: chunk, chunkMs: options['chunk-ms'], batchInvariant, adapters },
    prefixCacheMb: options['prefix-cache-mb'],
    adaptersDir: options['adapters-dir'] || null,
    embedding: {
      model: options['embedding-model'],
      start: options['embedding-start'],
      batchMax: options['embedding-batch'],
      waitMs: options['embedding-wait-ms'],
    },
  }
  return { kind: 'settings', settings }
}

/** `NAME=PATH` each. @returns the adapters, or what is wrong */
function parseAdapters(words: unknown): Settings['adapters'] | string {
  const adapters: Settings['adapters'] = []
  for (const word of Array.isArray(words) ? words : []) {
    const [, name = '', path = ''] = /^([^=]*)=(.+)$/.exec(String(word)) ?? []
    if (!ADAPTER_NAME.test(name)) return `--adapter: NAME=PATH is expected (given: ${word})`
    if (adapters.some((adapter) => adapter.name === name)) return `--adapter: the name ${name} is given twice`
    adapters.push({ name, path })
  }
  return adapters
}

const SECRET_CHARS_MIN = 32

/** @returns null where nothing is set, or what is wrong */
function announceOf(
  given: { 'announce-url': string; 'announce-as': string; 'announce-deployment': string },
  secret: string | undefined,
): AnnounceSettings | null | string {
  const { 'announce-url': edgeUrl, 'announce-as': ownUrl, 'announce-deployment': deployment } = given
  if (edgeUrl === '') return null
  if (ownUrl === '') return '--announce-as: the edge must be told where this server is'
  if (!deploymentIdSchema.safeParse(deployment).success) {
    return '--announce-deployment: the id of a deployment is expected: letters, digits, dots, dashes and underscores'
  }
  if (secret === undefined || secret.length < SECRET_CHARS_MIN) {
    return `PERIGEE_HEARTBEAT_SECRET: it must have ${SECRET_CHARS_MIN} characters or more for the server to announce itself`
  }
  return { edgeUrl, ownUrl, deployment, secret }
}

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/

/** Null where a stranger could call and nothing says that this is meant. */
function accessOf(host: string, key: string | undefined, noAuth: boolean, sagemaker: boolean): Access | null {
  if (noAuth) return { kind: 'open' }
  if (key !== undefined) return { kind: 'key', key }
  if (LOOPBACK.test(host)) return { kind: 'open' }
  // In SageMaker's network the open routes are the point; the others stay shut.
  return sagemaker ? { kind: 'closed' } : null
}

function usage(): string {
  const lines = Object.entries(OPTIONS).map(
    ([name, { env, fallback, help }]) => `  --${name} VALUE\n      ${help}\n      ${env}; default ${fallback}`,
  )
  return [
    'node functions/inference/main.ts [serve] [options]',
    '',
    '  serve               behind SageMaker: all addresses, /ping and /invocations open',
    ...lines,
    '  --adapter NAME=PATH',
    '      folder of a LoRA adapter (PEFT) that requests may name as their model; may be given several times',
    '      PERIGEE_INFERENCE_ADAPTERS, separated by commas; default none',
    '  --no-auth           no key, whatever the address',
    '',
    'PERIGEE_INFERENCE_KEY is the key that callers send as Authorization: Bearer.',
    'PERIGEE_HEARTBEAT_SECRET signs what --announce-url is told; the edge has the same.',
  ].join('\n')
}
