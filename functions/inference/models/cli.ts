/** `npm run models -- pull NAME | list | path NAME`, with `--file PATH` for a GGUF file that is at hand. */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { cacheDirectory } from './cache-directory.ts'
import { CATALOGUE, DEFAULT_MODEL } from './catalogue.ts'
import { EMBEDDING_CATALOGUE } from './embedding-catalogue.ts'
import { embeddingEntry, embeddingFolder, ensureEmbeddingModel } from './ensure-embedding-model.ts'
import { ensureModel, importedFolder } from './ensure-model.ts'
import { progressWriter } from './progress-writer.ts'

const USAGE = `Usage:
  npm run models -- list                      the models known by name, and which are here
  npm run models -- pull [NAME] [--file PATH] fetch and import one; NAME is ${DEFAULT_MODEL} if not given.
                                              --file takes a GGUF file instead of the network, or the folder
                                              of an embedding model's files
  npm run models -- path [NAME]               print the folder of an imported model`

/** The exit status: 0 done, 1 failed and said why. */
async function main(argv: string[]): Promise<number> {
  let parsed: { values: { file?: string | undefined }; positionals: string[] }
  try {
    parsed = parseArgs({ args: argv, allowPositionals: true, options: { file: { type: 'string' } } })
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
  }
  const [command, name, ...rest] = parsed.positionals
  if (rest.length > 0) return fail(`Too many arguments: ${rest.join(' ')}\n${USAGE}`)
  if (command === 'list') return list()
  if (command === 'path') return printPath(name ?? DEFAULT_MODEL)
  if (command === 'pull') return pull(name, parsed.values.file)
  return fail(command === undefined ? USAGE : `There is no command ${command}.\n${USAGE}`)
}

function list(): number {
  const known = [
    ...CATALOGUE.map((entry) => ({ ...entry, bytes: entry.byteLength })),
    ...EMBEDDING_CATALOGUE.map((entry) => ({ ...entry, bytes: entry.graph.byteLength + entry.tokenizer.byteLength })),
  ]
  for (const { name, description, bytes } of known) {
    const here = existsSync(folderOf(name) ?? '') ? 'here' : 'not here yet'
    console.log(`${name}  ${description}; ${Math.round(bytes / 1e6)} MB; ${here}`)
  }
  return 0
}

/** Null for a name that is not known. */
function folderOf(name: string): string | null {
  const cacheDir = cacheDirectory(process.env)
  const embedding = embeddingEntry(name)
  if (embedding) return embeddingFolder(cacheDir, embedding)
  const entry = CATALOGUE.find((known) => known.name === name)
  return entry ? importedFolder(cacheDir, name, entry.sha256) : null
}

function printPath(name: string): number {
  const folder = folderOf(name)
  if (!folder) return fail(`There is no model named ${name}. \`npm run models -- list\` shows those that are known.`)
  if (!existsSync(folder)) return fail(`${name} is not here yet. Fetch it: npm run models -- pull ${name}`)
  console.log(folder)
  return 0
}

async function pull(name: string | undefined, file: string | undefined): Promise<number> {
  const progress = progressWriter(process.stderr)
  const { show: onProgress } = progress
  const result = embeddingEntry(name ?? '')
    ? await ensureEmbeddingModel({ name: name ?? '', path: file, onProgress })
    : await ensureModel({ name, path: file, onProgress })
  progress.end()
  if (!result.ok) return fail(result.message)
  console.log(`${'name' in result ? result.name : result.config.name} is ready in ${result.folder}`)
  return 0
}

function fail(message: string): number {
  console.error(message)
  return 1
}

process.exitCode = await main(process.argv.slice(2))
