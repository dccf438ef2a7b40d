/** Which model is meant by a name of the catalogue or by a file of the Hub, and what is known of its file before anyone is asked. */
import { basename } from 'node:path'
import type { CatalogueEntry, WeightFile } from './catalogue.ts'
import { type HubFile, parseHubFile } from './hub-file.ts'

export type ModelTarget = {
  /** What the model is called in the API; part of paths. */
  name: string
  /** What a command line calls it. */
  word: string
  hub: HubFile
  /** Null where the file is pinned when it is first seen. */
  exact: WeightFile | null
}

/** Names become parts of paths and values of `model` in the API. */
const MODEL_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/

export type Identified =
  /** `target` is null for a user's own file, which may have any name. */
  { ok: true; name: string; target: ModelTarget | null } | { ok: false; message: string }

export function identifyModel(
  options: { name: string | undefined; hub: string | undefined; path: string | undefined },
  catalogue: readonly CatalogueEntry[],
  defaultName: string,
): Identified {
  const { hub: reference, path: own } = options
  if (reference !== undefined) {
    const parsed = parseHubFile(reference)
    if (!parsed.ok) return parsed
    const name = options.name ?? nameOfFile(parsed.hub.path)
    if (!MODEL_NAME.test(name)) return { ok: false, message: wrongName(name) }
    return { ok: true, name, target: { name, word: reference, hub: parsed.hub, exact: null } }
  }
  const name = options.name ?? (own === undefined ? defaultName : nameOfFile(own))
  if (!MODEL_NAME.test(name)) return { ok: false, message: wrongName(name) }
  const entry = catalogue.find((known) => known.name === name)
  if (!entry) return { ok: true, name, target: null }
  const { file: path, sha256 } = entry
  const exact = sha256 === null ? null : { ...entry, sha256 }
  return { ok: true, name, target: { name, word: name, hub: { ...entry.hub, path }, exact } }
}

/** What is wrong with a name, or null. */
export function modelNameFault(name: string): string | null {
  return MODEL_NAME.test(name) ? null : wrongName(name)
}

function wrongName(name: string): string {
  return `${name} is no name for a model: letters, digits, dots, underscores and hyphens are allowed, 100 at most.`
}

/** A name that is safe in paths and in the API. */
export function nameOfFile(path: string): string {
  const name = basename(path)
    .replace(/\.gguf$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 100)
  return name || 'model'
}
