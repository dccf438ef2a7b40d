/** A thread that answers as encode-worker.ts does: with the text's length, an error, or by dying. */
import { parentPort } from 'node:worker_threads'

parentPort?.on('message', ({ text }: { text: string }) => {
  if (text.startsWith('die')) throw new Error('out of memory')
  parentPort?.postMessage(
    text.startsWith('fail') ? { ok: false, message: 'no such text' } : { ok: true, ids: [text.length] },
  )
})
