/** The SHA-256 of a file, without holding it in memory. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

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
