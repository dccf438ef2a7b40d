/** Says that it is ready and then nothing more, as a grammar thread in an endless loop would. */
import { parentPort } from 'node:worker_threads'

parentPort?.postMessage({ id: 0, ok: true })
parentPort?.on('message', () => {
  while (true);
})
