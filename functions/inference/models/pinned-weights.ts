/**
 * Makes a file of the Hub one that is known to the byte. What it was when it was first asked for is written down beside the weights (a pin), and
 * holds from then on: a branch may move, the model may not change under whoever uses it.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod/mini'
import type { WeightFile } from './catalogue.ts'
import type { HubFile } from './hub-file.ts'
import { readHubMetadata } from './hub-metadata.ts'
import { type HubAccess, hubName } from './hub-request.ts'
import type { Tried } from './weight-source.ts'

const pinSchema = z.object({
  repository: z.string(),
  revision: z.string(),
  path: z.string(),
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  byteLength: z.int().check(z.positive()),
  /** Null where the Hub did not say, or the file was given by a user. */
  commit: z.nullable(z.string()),
  /** ISO 8601. */
  pinnedAt: z.string(),
})

export type Pin = z.infer<typeof pinSchema>

/** Null where nothing is pinned, or what is written there is not whole. */
export async function readPin(cacheDir: string, hub: HubFile): Promise<Pin | null> {
  const text = await readFile(pinPath(cacheDir, hub), 'utf8').catch(() => null)
  if (text === null) return null
  try {
    const parsed = pinSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

export async function writePin(
  cacheDir: string,
  hub: HubFile,
  seen: Pick<Pin, 'sha256' | 'byteLength' | 'commit'>,
): Promise<Pin> {
  const pin: Pin = { ...hub, ...seen, pinnedAt: new Date().toISOString() }
  const path = pinPath(cacheDir, hub)
  await mkdir(weightsFolder(cacheDir), { recursive: true })
  const work = `${path}.${randomUUID()}`
  await writeFile(work, `${JSON.stringify(pin, null, 2)}\n`)
  await rename(work, path)
  return pin
}

/** From the pin if there is one, else from the Hub, whose answer becomes the pin. `acceptChanged` asks the Hub whatever was pinned. */
export async function pinnedWeights(
  options: HubAccess & {
    hub: HubFile
    cacheDir: string
    fetch: typeof fetch
    acceptChanged: boolean
  },
): Promise<{ ok: true; weights: WeightFile } | { ok: false; tried: Tried }> {
  const { hub, cacheDir, acceptChanged } = options
  const pinned = acceptChanged ? null : await readPin(cacheDir, hub)
  if (pinned) return { ok: true, weights: weightsOf(hub, pinned) }
  const answer = await readHubMetadata(options)
  if (!answer.ok) return { ok: false, tried: { source: hubName(options), reason: answer.reason } }
  return { ok: true, weights: weightsOf(hub, await writePin(cacheDir, hub, answer.metadata)) }
}

/** Fetched by the commit, where one is known: that never becomes another file. */
function weightsOf({ repository, revision, path }: HubFile, { sha256, byteLength, commit }: Pin): WeightFile {
  return { file: path, byteLength, sha256, hub: { repository, revision: commit ?? revision } }
}

export function weightsFolder(cacheDir: string): string {
  return join(cacheDir, 'weights')
}

function pinPath(cacheDir: string, { repository, revision, path }: HubFile): string {
  // No two files share a name, and none has a separator of paths in it.
  return join(weightsFolder(cacheDir), `${encodeURIComponent(`${repository}@${revision}/${path}`)}.pin.json`)
}
