/** The SHA-256 of a file, without holding it in memory. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'

/** Lower-case hexadecimal. Throws where the file cannot be read. `onBytes` gets the number of bytes hashed so far. */
export async function sha256OfFile(path: string, onBytes: (done: number) => void = () => {}): Promise<string> {
  const hash = createHash('sha256')
  let done = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1_048_576 })) {
    hash.update(chunk)
    done += chunk.length
    onBytes(done)
  }
  return hash.digest('hex')
}

/** Of each, in order. `onBytes` gets the bytes hashed so far and those of all files. */
export async function sha256OfFiles(
  paths: readonly string[],
  onBytes: (done: number, total: number) => void,
): Promise<string[]> {
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const digests: string[] = []
  let before = 0
  for (const [index, path] of paths.entries()) {
    digests.push(await sha256OfFile(path, (done) => onBytes(before + done, total)))
    before += sizes[index] ?? 0
  }
  return digests
}
