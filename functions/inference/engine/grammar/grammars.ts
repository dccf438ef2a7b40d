/**
 * Grammars for the engine. A new grammar is compiled in a thread of its own first, which may die of it; those who generate are served by
 * another thread, which only ever sees what was compiled before. While the model runs, that thread prepares the next masks.
 */
import type { GrammarSource } from '../../grammar/grammar-source.ts'
import type { Checked } from '../engine-messages.ts'
import type { GrammarThreadOptions } from './grammar-messages.ts'
import { createGrammarThread, type GrammarThread } from './grammar-thread.ts'

export type Grammars = {
  /** Whether a grammar can be followed; it is ready afterwards. */
  check(source: GrammarSource): Promise<Checked>
  /** @param answer tokens known so far @param maxTokens of the whole answer */
  open(source: GrammarSource, answer: readonly number[], maxTokens: number): BoundAnswer
  /** Ends the thread that serves; answers under grammars fail, the next one starts it again. For tests. */
  kill(why: string): void
  stop(): Promise<void>
}

/** One answer under a grammar. */
export type BoundAnswer = {
  /** Bits of the ids that may be next, 32 to an element; or that they are not known yet, or will never be. Valid until `accept`. */
  mask(): Int32Array | 'waiting' | 'failed'
  /** Resolves when `mask` no longer says `waiting`. */
  ready(): Promise<void>
  accept(token: number): void
  close(): void
}

export type GrammarsOptions = GrammarThreadOptions & {
  log?: (line: string) => void
  /** Another thread than our own, for tests. */
  workerFile?: URL
  compileMaxMs?: number
}

/** A grammar that takes longer would hold up the others. Typical ones take 10 to 300 ms. */
const COMPILE_MAX_MS = 5_000
/** A mask takes less than a millisecond, a grammar that was compiled before at most what it took then. */
const MASK_MAX_MS = 10_000
/** Grammars that are known to compile, by text. */
const CHECKED_MAX = 256

export function createGrammars({
  log = () => {},
  workerFile,
  compileMaxMs = COMPILE_MAX_MS,
  ...options
}: GrammarsOptions): Grammars {
  // What compiled there is only used in the other thread.
  const trial = createGrammarThread({ ...options, keptBytesMax: 0, answerMaxMs: compileMaxMs }, workerFile)
  const serving = createGrammarThread({ ...options, answerMaxMs: MASK_MAX_MS }, workerFile)
  const checked = new Set<string>()
  let nextId = 1

  return {
    async check(source) {
      const key = JSON.stringify([source.text, source.tag])
      if (!checked.has(key)) {
        const answer = await trial.ask({ type: 'compile', id: nextId++, source })
        if (!answer.ok) {
          log(`A grammar was refused: ${answer.message}`)
          return { ok: false, message: answer.message }
        }
      }
      checked.delete(key)
      checked.add(key)
      const [oldest] = checked
      if (checked.size > CHECKED_MAX && oldest !== undefined) checked.delete(oldest)
      // Meanwhile the prompt is read.
      void serving.ask({ type: 'compile', id: nextId++, source })
      return { ok: true }
    },
    open(source, answer, maxTokens) {
      return bind(serving, source, answer, maxTokens)
    },
    kill: serving.kill,
    async stop() {
      await Promise.all([trial.stop(), serving.stop()])
    },
  }

  function bind(
    thread: GrammarThread,
    source: GrammarSource,
    answer: readonly number[],
    maxTokens: number,
  ): BoundAnswer {
    const id = nextId++
    const buffer = new SharedArrayBuffer(4 * Math.ceil(options.vocabSize / 32))
    const mask = new Int32Array(buffer)
    let state: 'waiting' | 'ready' | 'failed' = 'waiting'
    let left = maxTokens - answer.length
    let asked = ask(thread.ask({ type: 'open', id, source, tokens: [...answer], left, mask: buffer }))
    const born = thread.generation()

    function ask(reply: ReturnType<GrammarThread['ask']>): Promise<void> {
      state = 'waiting'
      return reply.then((result) => {
        state = result.ok ? 'ready' : 'failed'
        if (!result.ok) log(`An answer under a grammar failed: ${result.message}`)
      })
    }
    return {
      mask: () => (state === 'ready' ? mask : state),
      ready: () => asked,
      accept(token) {
        left--
        // The thread that knew this answer is gone: another would not know what it is about.
        if (thread.generation() !== born) state = 'failed'
        else if (state !== 'failed') asked = ask(thread.ask({ type: 'accept', id, token, left }))
      },
      close() {
        if (thread.generation() === born) thread.close(id)
      },
    }
  }
}
