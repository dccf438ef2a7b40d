/** `npm run models -- pull MODEL | list | path MODEL | report MODEL | export FOLDER | quantize SOURCE | prune`. */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { cacheDirectory } from './cache-directory.ts'
import { CATALOGUE, DEFAULT_MODEL } from './catalogue.ts'
import { EMBEDDING_CATALOGUE } from './embedding-catalogue.ts'
import { embeddingEntry, embeddingFolder, ensureEmbeddingModel } from './ensure-embedding-model.ts'
import { ensureModel } from './ensure-model.ts'
import { exportCommand } from './export-command.ts'
import { HUB_PREFIX } from './hub-file.ts'
import { importedFolder, readImported } from './import-once.ts'
import { modelSource } from './model-source.ts'
import { identifyModel, type ModelTarget } from './model-target.ts'
import { readPin } from './pinned-weights.ts'
import { progressWriter } from './progress-writer.ts'
import { pruneCommand } from './prune-command.ts'
import { quantiseCommand } from './quantise-command.ts'
import { reportCommand } from './report-command.ts'

const USAGE = `Usage:
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

type Flags = {
  file?: string | undefined
  'accept-changed'?: boolean | undefined
  runs?: string | undefined
  batch?: string | undefined
  json?: boolean | undefined
  out?: string | undefined
  name?: string | undefined
  bits?: string | undefined
  text?: string | undefined
  'dry-run'?: boolean | undefined
}

/** The exit status: 0 done, 1 failed and said why. */
async function main(argv: string[]): Promise<number> {
  let parsed: { values: Flags; positionals: string[] }
  try {
    const options = {
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
    } as const
    parsed = parseArgs({ args: argv, allowPositionals: true, options })
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
  }
  const [command, word, ...rest] = parsed.positionals
  if (rest.length > 0) return fail(`Too many arguments: ${rest.join(' ')}\n${USAGE}`)
  if (command === 'list') return list()
  if (command === 'path') return printPath(word ?? DEFAULT_MODEL)
  if (command === 'pull') return pull(word, parsed.values)
  if (command === 'report') {
    const model = word ?? DEFAULT_MODEL
    return say(await reportCommand(model, await chatFolder(model), parsed.values))
  }
  if (command === 'export') return say(await exportCommand(word, parsed.values))
  if (command === 'quantize') return say(await quantiseCommand(word, parsed.values))
  if (command === 'prune') return say(await pruneCommand(parsed.values))
  return fail(command === undefined ? USAGE : `There is no command ${command}.\n${USAGE}`)
}

async function list(): Promise<number> {
  const known = [
    ...CATALOGUE.map((entry) => ({ ...entry, about: entry.sha256 === null ? 'about ' : '' })),
    ...EMBEDDING_CATALOGUE.map((entry) => {
      return { ...entry, about: '', byteLength: entry.graph.byteLength + entry.tokenizer.byteLength }
    }),
  ]
  for (const { name, description, licence, about, byteLength } of known) {
    const here = (await folderOf(name)) === null ? 'not here yet' : 'here'
    console.log(`${name}  ${description}; ${about}${Math.round(byteLength / 1e6)} MB; ${licence}; ${here}`)
  }
  return 0
}

async function printPath(word: string): Promise<number> {
  const identified = identifyModel(nameOrHub(word), CATALOGUE, DEFAULT_MODEL)
  if (!identified.ok) return fail(identified.message)
  if (!identified.target && !embeddingEntry(word)) {
    return fail(`There is no model named ${word}. \`npm run models -- list\` shows those that are known.`)
  }
  const folder = await folderOf(word)
  if (folder === null) return fail(`${word} is not here yet. Fetch it: npm run models -- pull ${word}`)
  console.log(folder)
  return 0
}

/** Null where the model is not here, or nothing is called so. */
async function folderOf(word: string): Promise<string | null> {
  const embedding = embeddingEntry(word)
  if (embedding) {
    const folder = embeddingFolder(cacheDirectory(process.env), embedding)
    return existsSync(folder) ? folder : null
  }
  const identified = identifyModel(nameOrHub(word), CATALOGUE, DEFAULT_MODEL)
  return identified.ok && identified.target ? importedFolderOf(identified.target) : null
}

/** Null where the model is not here. */
async function importedFolderOf({ name, hub, exact }: ModelTarget): Promise<string | null> {
  const cacheDir = cacheDirectory(process.env)
  const sha256 = exact?.sha256 ?? (await readPin(cacheDir, hub))?.sha256
  if (sha256 === undefined) return null
  const folder = importedFolder(cacheDir, name, sha256)
  return existsSync(folder) ? folder : null
}

/** A model by name, or a folder that an import, `export` or `quantize` wrote. Null where there is none. */
async function chatFolder(word: string): Promise<string | null> {
  if (embeddingEntry(word)) return null
  const source = modelSource(word)
  if (!('path' in source)) return folderOf(word)
  return (await readImported(source.path)) ? source.path : null
}

async function pull(word: string | undefined, flags: Flags): Promise<number> {
  const progress = progressWriter(process.stderr)
  const common = { path: flags.file, onProgress: progress.show }
  const result = embeddingEntry(word ?? '')
    ? await ensureEmbeddingModel({ ...common, name: word ?? '' })
    : await ensureModel({ ...common, ...nameOrHub(word), path: flags.file, acceptChanged: flags['accept-changed'] })
  progress.end()
  if (!result.ok) return fail(result.message)
  console.log(`${'name' in result ? result.name : result.config.name} is ready in ${result.folder}`)
  return 0
}

function say(result: { ok: true; text: string } | { ok: false; message: string }): number {
  if (!result.ok) return fail(result.message)
  console.log(result.text)
  return 0
}

function nameOrHub(word: string | undefined): { name: string | undefined; hub: string | undefined; path: undefined } {
  const isHub = word?.startsWith(HUB_PREFIX) === true
  return { name: isHub ? undefined : word, hub: isHub ? word : undefined, path: undefined }
}

function fail(message: string): number {
  console.error(message)
  return 1
}

process.exitCode = await main(process.argv.slice(2))
