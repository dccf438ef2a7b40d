/** `npm run models -- pull MODEL | list | path MODEL | report MODEL | export FOLDER | quantize SOURCE | prune`. */
import { existsSync } from 'node:fs'
import * as z from 'zod/mini'
import { cacheDirectory } from './cache-directory.ts'
import { CATALOGUE, DEFAULT_MODEL } from './catalogue.ts'
import { type Flags, parseWords, USAGE } from './cli-words.ts'
import { EMBEDDING_CATALOGUE } from './embedding-catalogue.ts'
import { embeddingEntry, embeddingFolder, ensureEmbeddingModel } from './ensure-embedding-model.ts'
import { ensureModel } from './ensure-model.ts'
import { exportCommand } from './export-command.ts'
import { groundFault } from './ground-fault.ts'
import { HUB_PREFIX } from './hub-file.ts'
import { importedFolder } from './import-once.ts'
import { identifyModel, type ModelTarget } from './model-target.ts'
import { readPin } from './pinned-weights.ts'
import { withProgress } from './progress-writer.ts'
import { pruneCommand } from './prune-command.ts'
import { quantiseCommand } from './quantise-command.ts'
import { reportCommand } from './report-command.ts'

/** The exit status: 0 done, 1 failed and said why. */
async function main(argv: string[]): Promise<number> {
  const parsed = parseWords(argv)
  if (parsed.kind === 'wrong') return fail(parsed.message)
  if (parsed.kind === 'help') {
    console.log(USAGE)
    return 0
  }
  const { command, word, flags } = parsed
  switch (command) {
    case 'list':
      return list()
    case 'path':
      return printPath(word ?? DEFAULT_MODEL)
    case 'pull':
      return pull(word, flags)
    case 'report':
      return say(await reportCommand(word ?? DEFAULT_MODEL, folderOf, flags))
    case 'export':
      return say(await exportCommand(word, flags))
    case 'quantize':
      return say(await quantiseCommand(word, flags))
    case 'prune':
      return say(await pruneCommand(flags))
  }
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

async function pull(word: string | undefined, flags: Flags): Promise<number> {
  const result = await withProgress(process.stderr, async (onProgress) => {
    const common = { path: flags.file, onProgress }
    return embeddingEntry(word ?? '')
      ? ensureEmbeddingModel({ ...common, name: word ?? '' })
      : ensureModel({ ...common, ...nameOrHub(word), path: flags.file, acceptChanged: flags['accept-changed'] })
  })
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

// zod/mini has no messages of its own.
z.config(z.locales.en())
process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => fail(groundFault(error)))
