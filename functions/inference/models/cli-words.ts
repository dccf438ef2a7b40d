/** What `npm run models` understands, and what it says of itself. */
import { parseArgs } from 'node:util'
import { DEFAULT_MODEL } from './catalogue.ts'

export const USAGE = `Usage:
  npm run models -- list                      the models known by name, and which are here
  npm run models -- pull [MODEL] [--file PATH] [--accept-changed]
                                              fetch and import one; MODEL is a name of the list (${DEFAULT_MODEL}
                                              if not given) or hf:OWNER/REPO/FILE.gguf[@REVISION].
                                              --file takes a GGUF file instead of the network, or
                                              the folder of an embedding model's files;
                                              --accept-changed takes what the Hub has now, or the file, in place of
                                              what it had when the model was first fetched
  npm run models -- path [MODEL]              print the folder of an imported model
  npm run models -- report [MODEL|DIR] [--runs N] [--batch N] [--json]
                                              run it here, alone, and say how fast it is and what it takes; DIR is a
                                              folder that export or quantize wrote
  npm run models -- export FOLDER --out DIR [--name NAME]
                                              make a folder of Hugging Face's (config.json, safetensors, tokenizer.json)
                                              one that the server takes as --model
  npm run models -- quantize SOURCE --bits 8|4 --out DIR [--name NAME] [--text FILE] [--json]
                                              write it in fewer bits, and say how much worse it is on a text.
                                              SOURCE is such a folder, a GGUF file, or a MODEL
  npm run models -- prune [--dry-run]         remove imported models that only older versions of Perigee read, and say
                                              which and how many bytes; with --dry-run, only say

HF_TOKEN is sent to the Hub, for repositories that ask for it; HF_ENDPOINT is a mirror.`

/** Of all commands; which of them takes which is below. */
const FLAGS = {
  file: { type: 'string' },
  'accept-changed': { type: 'boolean' },
  runs: { type: 'string' },
  batch: { type: 'string' },
  json: { type: 'boolean' },
  out: { type: 'string' },
  name: { type: 'string' },
  bits: { type: 'string' },
  text: { type: 'string' },
  'dry-run': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

type Flag = keyof typeof FLAGS
export type Flags = { [Name in Flag]?: (typeof FLAGS)[Name]['type'] extends 'string' ? string : boolean }

const COMMANDS = {
  list: { words: 0, flags: [] },
  pull: { words: 1, flags: ['file', 'accept-changed'] },
  path: { words: 1, flags: [] },
  report: { words: 1, flags: ['runs', 'batch', 'json'] },
  export: { words: 1, flags: ['out', 'name'] },
  quantize: { words: 1, flags: ['bits', 'out', 'name', 'text', 'json'] },
  prune: { words: 0, flags: ['dry-run'] },
} as const satisfies Record<string, { words: number; flags: readonly Flag[] }>

export type Command = keyof typeof COMMANDS

export type ParsedWords =
  | { kind: 'command'; command: Command; word: string | undefined; flags: Flags }
  | { kind: 'help' }
  | { kind: 'wrong'; message: string }

/** A flag that its command does not take is refused: it would be a wish that nobody heard. */
export function parseWords(argv: readonly string[]): ParsedWords {
  let parsed: { values: Flags; positionals: string[] }
  try {
    parsed = parseArgs({ args: [...argv], allowPositionals: true, options: FLAGS })
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error))
  }
  const { values: flags, positionals } = parsed
  const [command, ...words] = positionals
  if (flags.help === true || command === 'help') return { kind: 'help' }
  if (command === undefined) return { kind: 'wrong', message: USAGE }
  if (!isCommand(command)) return wrong(`There is no command ${command}.`)
  const known: { words: number; flags: readonly string[] } = COMMANDS[command]
  const strange = Object.keys(flags).find((name) => !known.flags.includes(name))
  if (strange !== undefined) return wrong(`${command} takes no --${strange}.`)
  if (words.length > known.words) return wrong(`Too many arguments: ${words.slice(known.words).join(' ')}`)
  if (words.includes('') || Object.values(flags).includes('')) return wrong('An argument is empty.')
  return { kind: 'command', command, word: words[0], flags }
}

const isCommand = (word: string): word is Command => Object.hasOwn(COMMANDS, word)
const wrong = (message: string): ParsedWords => ({ kind: 'wrong', message: `${message}\n${USAGE}` })
