/** JSON files of a model's folder, read with a limit. */
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { GgufError } from './gguf-cursor.ts'

/** Null where there is no such file. @throws GgufError for one that is too long or no JSON object */
export async function readJsonObject(path: string, bytesMax: number): Promise<Record<string, unknown> | null> {
  const text = await readBoundedText(path, bytesMax)
  if (text === null) return null
  try {
    const value: unknown = JSON.parse(text)
    // Sound: an object of JSON has string keys.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below, as for JSON of another kind.
  }
  throw new GgufError(`its ${basename(path)} is no JSON object`)
}

/** Null where there is no such file. */
export async function readBoundedText(path: string, bytesMax: number): Promise<string | null> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (!file) return null
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw new GgufError(`its ${basename(path)} is no file`)
    const { size } = stats
    if (size > bytesMax)
      throw new GgufError(`its ${basename(path)} has ${size} bytes, and at most ${bytesMax} are read`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
