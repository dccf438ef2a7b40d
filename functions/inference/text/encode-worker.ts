/** A thread that encodes long texts, one after another, for encoder.ts. Given the model's folder; reads its own tokenizer. */
import { parentPort, workerData } from 'node:worker_threads'
import type { EncodeReply, EncodeRequest } from './encoder.ts'
import { loadTokenizer } from './tokenizer.ts'

// Sound because only encoder.ts starts this file, with the folder, and is the only one to send it anything.
const { folder } = workerData as { folder: string }
const tokenizer = loadTokenizer(folder)

parentPort?.on('message', async ({ text, options }: EncodeRequest) => {
  // A folder that cannot be read ends the thread, since it would fail for everybody; a text that cannot be encoded is its caller's.
  const { encode } = await tokenizer
  parentPort?.postMessage(attempt(() => encode(text, options)))
})

function attempt(encode: () => number[]): EncodeReply {
  try {
    return { ok: true, ids: encode() }
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) }
  }
}
