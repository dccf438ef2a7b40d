/** One file of a repository on the Hugging Face Hub, and how it is written on a command line: hf:OWNER/REPO/FILE.gguf[@REVISION]. */

export type HubFile = {
  /** OWNER/REPO. */
  repository: string
  /** A branch, a tag or a commit. */
  revision: string
  /** From the root of the repository. */
  path: string
}

export const HUB_PREFIX = 'hf:'
const HUB_ENDPOINT = 'https://huggingface.co'

/** The Hub's own rule for the names of owners and repositories. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/
const PATH_SEGMENT = /^[^\s/\\@?#%]{1,200}$/
const REVISION = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/
const PART_OF_SEVERAL = /-\d{5}-of-\d{5}\.gguf$/i

export function parseHubFile(reference: string): { ok: true; hub: HubFile } | { ok: false; message: string } {
  const [location = '', revision = 'main', ...more] = reference.slice(HUB_PREFIX.length).split('@')
  const [owner = '', name = '', ...path] = location.split('/')
  const isWhole =
    reference.startsWith(HUB_PREFIX) &&
    more.length === 0 &&
    [owner, name].every((part) => NAME.test(part)) &&
    path.every((segment) => PATH_SEGMENT.test(segment) && segment !== '.' && segment !== '..') &&
    path.at(-1)?.toLowerCase().endsWith('.gguf') === true &&
    REVISION.test(revision)
  if (!isWhole) {
    const message = `${reference} names no file of the Hub: hf:OWNER/REPO/FILE.gguf, or hf:OWNER/REPO/FILE.gguf@REVISION, is expected.`
    return { ok: false, message }
  }
  if (PART_OF_SEVERAL.test(location)) {
    return { ok: false, message: `${reference} is one part of a model in several files, which cannot be imported.` }
  }
  return { ok: true, hub: { repository: `${owner}/${name}`, revision, path: path.join('/') } }
}

/** `endpoint` is HF_ENDPOINT, a mirror, or undefined for the Hub itself. Null where it is no URL. */
export function hubUrl({ repository, revision, path }: HubFile, endpoint: string | undefined): string | null {
  const base = (endpoint ?? HUB_ENDPOINT).replace(/\/+$/, '')
  if (!URL.canParse(base)) return null
  const file = path.split('/').map(encodeURIComponent).join('/')
  return `${base}/${repository}/resolve/${encodeURIComponent(revision)}/${file}`
}
