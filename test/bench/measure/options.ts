/** The command line that every bench has, and how it fails: one sentence, no stack. */
import { parseArgs } from 'node:util'

export type BenchOptions = {
  /** How often each contender is measured; an odd number makes the median one of them. */
  alternations: number
  /** A smoke run: everything once, briefly. Its figures mean nothing. */
  quick: boolean
  json: boolean
  save: boolean
  /** Which contenders to run; empty means all. */
  only: readonly string[]
}

/** The least that figures which are quoted may rest on. */
const ALTERNATIONS_DEFAULT = 7
const ALTERNATIONS_MAX = 99

const USAGE = `[options] [contender ...]
  --alternations N  measure each contender N times (default ${ALTERNATIONS_DEFAULT})
  --quick           everything once and briefly, to see that it works; its figures mean nothing
  --save            write test/bench/results/NAME.json
  --json            print the outcome as one last line of JSON
  --help            this text
Without names all contenders run.`

/** Throws with a sentence for the user when an option is unknown or out of bounds. */
export function parseBenchOptions(words: readonly string[], contenders: readonly string[]): BenchOptions | 'help' {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      alternations: { type: 'string' },
      quick: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const alternations = values.alternations ?? String(values.quick ? 1 : ALTERNATIONS_DEFAULT)
  if (!/^[1-9]\d?$/.test(alternations)) throw new Error(`--alternations must be 1 to ${ALTERNATIONS_MAX}.`)
  const unknown = positionals.find((name) => !contenders.includes(name))
  if (unknown !== undefined) throw new Error(`There is no contender ${unknown}, only ${contenders.join(', ')}.`)
  if (values.save && (values.quick || positionals.length > 0)) {
    throw new Error('Only a whole run of all contenders is saved: leave out --quick and the names.')
  }
  if (values.save && Number(alternations) < ALTERNATIONS_DEFAULT) {
    throw new Error(`What is saved rests on ${ALTERNATIONS_DEFAULT} alternations or more.`)
  }
  return {
    alternations: Number(alternations),
    quick: values.quick,
    json: values.json,
    save: values.save,
    only: positionals,
  }
}

/** Runs a bench from the command line. Every error becomes a sentence on stderr and exit code 1; PERIGEE_DEBUG shows the stack. */
export async function runBench(
  command: string,
  contenders: readonly string[],
  main: (options: BenchOptions) => Promise<void>,
): Promise<void> {
  try {
    const options = parseBenchOptions(process.argv.slice(2), contenders)
    if (options === 'help') console.log(`npm run ${command} -- ${USAGE}\nContenders: ${contenders.join(', ')}.`)
    else await main(options)
  } catch (error) {
    const stack = process.env.PERIGEE_DEBUG && error instanceof Error ? error.stack : undefined
    console.error(`${command}: ${stack ?? (error instanceof Error ? error.message : String(error))}`)
    process.exitCode = 1
  }
}
