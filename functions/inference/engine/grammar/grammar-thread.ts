/**
 * A thread that compiles and follows grammars: started when it is first needed, ended when it is silent for too long, started again for
 * whatever comes next. Whoever waits for it when it ends is told so.
 */
import { Worker } from 'node:worker_threads'
import type { FromGrammars, GrammarThreadOptions, ToGrammars } from './grammar-messages.ts'

export type GrammarAnswer = { ok: true } | { ok: false; message: string; isDead: boolean }

export type GrammarThread = {
  /** The answer to `compile`, `open` or `accept`. Resolves in any case. */
  ask(message: Exclude<ToGrammars, { type: 'close' }>): Promise<GrammarAnswer>
  close(id: number): void
  /** Counts up each time the thread starts: what was opened in another is gone. */
  generation(): number
  /** Ends it; what waits is told. It is started again when it is asked. */
  kill(why: string): void
  stop(): Promise<void>
}

const GRAMMAR_WORKER = new URL('./grammar-worker.ts', import.meta.url)

/** Reading the vocabulary comes before the first answer, and is no sign of a bad grammar. */
const START_MAX_MS = 30_000

/** @param workerFile another than our own, for tests */
export function createGrammarThread(
  options: GrammarThreadOptions & { answerMaxMs: number },
  workerFile: URL = GRAMMAR_WORKER,
): GrammarThread {
  const { answerMaxMs, ...workerData } = options
  const waiting = new Map<number, (answer: GrammarAnswer) => void>()
  let worker: Worker | null = null
  let generation = 0
  let isReady = false
  let silence: NodeJS.Timeout | undefined

  function start(): Worker {
    const started = new Worker(workerFile, { workerData, execArgv: [] })
    generation++
    isReady = false
    let death = 'The thread that follows grammars ended.'
    started.on('message', (message: FromGrammars) => {
      if (worker !== started) return
      isReady = true
      settle(message.id, message.ok ? message : { ...message, isDead: false })
      watch()
    })
    started.on('error', (error) => {
      death = `The thread that follows grammars died: ${error instanceof Error ? error.message : String(error)}`
    })
    started.on('exit', () => over(started, death))
    return started
  }

  function over(which: Worker, why: string) {
    if (worker !== which) return
    worker = null
    clearTimeout(silence)
    for (const id of [...waiting.keys()]) settle(id, { ok: false, message: why, isDead: true })
  }

  function settle(id: number, answer: GrammarAnswer) {
    const waiter = waiting.get(id)
    waiting.delete(id)
    waiter?.(answer)
  }

  function watch() {
    clearTimeout(silence)
    if (waiting.size === 0) return
    silence = setTimeout(() => kill('The grammar took too long.'), isReady ? answerMaxMs : START_MAX_MS)
  }

  function kill(why: string) {
    const killed = worker
    if (killed === null) return
    over(killed, why)
    void killed.terminate()
  }

  return {
    async stop() {
      const stopped = worker
      if (stopped !== null) over(stopped, 'The engine stops.')
      await stopped?.terminate()
    },
    generation: () => generation,
    kill,
    close(id) {
      worker?.postMessage({ type: 'close', id } satisfies ToGrammars)
    },
    ask(message) {
      worker ??= start()
      worker.postMessage(message)
      return new Promise((resolve) => {
        waiting.set(message.id, resolve)
        if (waiting.size === 1) watch()
      })
    },
  }
}
