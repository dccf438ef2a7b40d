/** Every setting of the inference server: an option of the command line, else an environment variable, else the default here. */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import * as z from 'zod/mini'
import { CHUNK_TOKENS_MIN } from './engine/scheduler.ts'
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
  /** A name of the catalogue, the path of a GGUF file, or a file of the Hub. */
  model: string
  slots: number
  queueMax: number
  /** Tokens per slot; the model's own limit where that is smaller. */
  context: number
  threads: number
  spinUs: number
  chunkTokens: number
  batchInvariant: 'always' | 'seeded' | 'never'
  embedding: EmbeddingSettings
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
    help: 'name of a known model (npm run models -- list), path of a GGUF file, or hf:OWNER/REPO/FILE.gguf[@REVISION]',
  },
  slots: { env: 'PERIGEE_INFERENCE_SLOTS', fallback: '8', schema: whole(1, 256), help: 'requests that run at once' },
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
    fallback: '128',
    schema: whole(CHUNK_TOKENS_MIN, 4_096),
    help: 'prompt tokens per run: more reads prompts faster and makes others wait longer between tokens',
  },
  'batch-invariant': {
    env: 'PERIGEE_INFERENCE_BATCH_INVARIANT',
    fallback: 'seeded',
    schema: z.enum(['always', 'seeded', 'never']),
    help: 'who gets an answer that does not depend on company: always, seeded (and temperature 0), never',
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
  let parsed: { values: Record<string, string | boolean | undefined>; positionals: string[] }
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        ...Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, { type: 'string' as const }])),
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
  const { host, port, model, slots, queue, context, threads, chunk, 'batch-invariant': batchInvariant } = options
  const settings = {
    ...{ sagemaker, host, port, access, model, slots, queueMax: queue, context, threads },
    ...{ spinUs: options['spin-us'], chunkTokens: chunk, batchInvariant },
    embedding: {
      model: options['embedding-model'],
      start: options['embedding-start'],
      batchMax: options['embedding-batch'],
      waitMs: options['embedding-wait-ms'],
    },
  }
  return { kind: 'settings', settings }
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
    '  --no-auth           no key, whatever the address',
    '',
    'PERIGEE_INFERENCE_KEY is the key that callers send as Authorization: Bearer.',
  ].join('\n')
}
