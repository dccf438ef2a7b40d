/** Hangs in its first process, as a model that is loaded in native code could; in the next ones it answers a call with the call. */
import { existsSync, writeFileSync } from 'node:fs'
import { answerCalls } from '../../../functions/inference/one-shot/answer-calls.ts'

answerCalls(async (marker: string) => {
  if (!existsSync(marker)) {
    writeFileSync(marker, '')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
  return async (call: unknown) => call
})
