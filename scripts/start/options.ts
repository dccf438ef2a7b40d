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
}

/** Where `npm run -s key` looks when it is not told. */
export const DEFAULT_STATE_DIR = resolve('.perigee')

const USAGE = `Usage: npm start -- [options]

  --port N             port of the API (default 8787)
  --inference-port N   port of the inference server (default 8080)
  --model MODEL        model of the catalogue, a GGUF file, or hf:OWNER/REPO/FILE.gguf (default smollm2-135m-instruct)
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
  if (port === inferencePort) return fail('--port and --inference-port must differ')
  return {
    kind: 'options',
    options: {
      port,
      inferencePort,
      model: values.model,
      stateDir: resolve(values['state-dir']),
      verbose: values.verbose,
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
      'state-dir': { type: 'string', default: '.perigee' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values
}
