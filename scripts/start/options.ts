/** Command line of `npm start`. */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

export type StartOptions = {
  port: number
  inferencePort: number
  /** A name of the catalogue, the path of a GGUF file, or hf:OWNER/REPO/FILE.gguf. */
  model: string
  stateDir: string
  verbose: boolean
  /** False: no inference server, so no model and no runtime of it. */
  inference: boolean
  upstream: UpstreamOptions | undefined
  /** A routing document to apply. */
  configFile: string | undefined
}

/** Somebody else's models. */
export type UpstreamOptions = {
  /** A preset's name, or an address. */
  upstream: string
  /** The address, where the preset has none. */
  url: string | undefined
  /** The environment variable that holds the key. */
  keyEnv: string | undefined
  /** Empty: all that it lists. */
  models: string[]
}

/** Where `npm run -s key` looks when it is not told. */
export const DEFAULT_STATE_DIR = resolve('.perigee')

const USAGE = `Usage: npm start -- [options]

  --port N             port of the API (default 8787)
  --inference-port N   port of the inference server (default 8080)
  --model MODEL        model of the catalogue, a GGUF file, or hf:OWNER/REPO/FILE.gguf (default smollm2-135m-instruct)
  --no-inference       without the inference server: no model is fetched or loaded
  --upstream WHERE     models of somebody else: an OpenAI-compatible URL, or a preset (openai, groq, ollama, ...)
  --upstream-url URL   its address, for presets with one for every account (azure-openai, workers-ai, bedrock, vertex)
  --upstream-key-env NAME   the environment variable that holds its key (default: the preset's usual one)
  --upstream-model NAME     only this model of it; may be given several times (default: all that it lists)
  --config FILE        models and routes from a file, YAML or JSON (docs/routing.md)
  --state-dir DIR      where conversations, the key and logs are kept (default .perigee)
  --verbose            print what both servers say, not only to the log files
  --help               this text`

type ParsedOptions =
  | { kind: 'options'; options: StartOptions }
  | { kind: 'help'; text: string }
  | { kind: 'wrong'; message: string }

function toPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65_535 ? port : undefined
}

/** Wrong options are a value: the message says which one and shows the usage. */
export function parseOptions(argv: readonly string[]): ParsedOptions {
  const fail = (reason: string): ParsedOptions => ({ kind: 'wrong', message: `${reason}\n\n${USAGE}` })
  let values: ReturnType<typeof read>
  try {
    values = read(argv)
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
  if (values.help) return { kind: 'help', text: USAGE }
  const port = toPort(values.port)
  if (port === undefined) return fail(`--port must be a number from 1 to 65535, not ${values.port}`)
  const inferencePort = toPort(values['inference-port'])
  if (inferencePort === undefined) {
    return fail(`--inference-port must be a number from 1 to 65535, not ${values['inference-port']}`)
  }
  const upstream = values.upstream
  const alone = (['upstream-url', 'upstream-key-env', 'upstream-model'] as const).find((name) => values[name])
  if (upstream === undefined && alone) return fail(`--${alone} goes with --upstream`)
  if (upstream !== undefined && values.config !== undefined) {
    return fail('--upstream and --config exclude each other: a file names its own deployments')
  }
  if (port === inferencePort) return fail('--port and --inference-port must differ')
  return {
    kind: 'options',
    options: {
      port,
      inferencePort,
      model: values.model,
      stateDir: resolve(values['state-dir']),
      verbose: values.verbose,
      inference: !values['no-inference'],
      upstream:
        upstream === undefined
          ? undefined
          : {
              upstream,
              url: values['upstream-url'],
              keyEnv: values['upstream-key-env'],
              models: values['upstream-model'] ?? [],
            },
      configFile: values.config,
    },
  }
}

function read(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      port: { type: 'string', default: '8787' },
      'inference-port': { type: 'string', default: '8080' },
      model: { type: 'string', default: 'smollm2-135m-instruct' },
      'no-inference': { type: 'boolean', default: false },
      upstream: { type: 'string' },
      'upstream-url': { type: 'string' },
      'upstream-key-env': { type: 'string' },
      'upstream-model': { type: 'string', multiple: true },
      config: { type: 'string' },
      'state-dir': { type: 'string', default: '.perigee' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values
}
