/** The thread in which grammars are compiled and followed, for grammar-thread.ts. Whatever goes wrong in WASM, only this thread dies of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { createTokenTable } from '../../grammar/token-table.ts'
import { TOKENIZER_FILE } from '../../models/model-config.ts'
import { readTokenBytes } from '../../text/tokenizer.ts'
import { createGrammarCompiler } from './grammar-compiler.ts'
import type { FromGrammars, GrammarThreadOptions, ToGrammars } from './grammar-messages.ts'
import { createGrammarSession, type GrammarSession } from './grammar-session.ts'

// Sound because only grammar-thread.ts starts this file, with these options, and is the only one to send it anything.
const { folder, vocabSize, eosTokenIds, keptBytesMax } = workerData as GrammarThreadOptions
const tokenBytes = readTokenBytes(JSON.parse(readFileSync(join(folder, TOKENIZER_FILE), 'utf8')))
const isBound = (id: number) => !tokenBytes.isSpecial(id) && !eosTokenIds.includes(id)
const table = createTokenTable(vocabSize, (id) => (isBound(id) ? tokenBytes.of(id) : new Uint8Array()))
const compiler = createGrammarCompiler({
  tokens: Array.from({ length: vocabSize }, (_, id) => (isBound(id) ? tokenBytes.asByteCharacters(id) : '')),
  eosTokenIds,
  ...(keptBytesMax !== undefined && { keptBytesMax }),
})
// From here on a grammar that takes long is to blame for it.
void compiler.then(() => reply({ id: 0, ok: true }))
const sessions = new Map<number, { session: GrammarSession; mask: Int32Array }>()

async function handle(message: ToGrammars): Promise<void> {
  if (message.type === 'close') {
    sessions.get(message.id)?.session.close()
    sessions.delete(message.id)
    return
  }
  const { compile, match } = await compiler
  if (message.type === 'compile') {
    await compile(message.source)
    return reply({ id: message.id, ok: true })
  }
  if (message.type === 'open') {
    const { id, source } = message
    const session = createGrammarSession({ source, matcher: await match(await compile(source)), table, eosTokenIds })
    const mask = new Int32Array(message.mask)
    sessions.set(id, { session, mask })
    let left = message.left + message.tokens.length
    for (const token of message.tokens) {
      if (!(await session.replay(token, left--))) return forbid(id, token)
    }
    mask.set(await session.mask(left))
    return reply({ id, ok: true })
  }
  const { id, token, left } = message
  const open = sessions.get(id)
  if (open === undefined) return reply({ id, ok: false, message: 'There is no such answer.' })
  if (!open.session.accept(token)) return forbid(id, token)
  open.mask.set(await open.session.mask(left))
  reply({ id, ok: true })
}

const forbid = (id: number, token: number) => reply({ id, ok: false, message: `The grammar forbids token ${token}.` })

function reply(message: FromGrammars) {
  parentPort?.postMessage(message)
}

/** One after another, in the order in which they came. */
let last = Promise.resolve()
parentPort?.on('message', (message: ToGrammars) => {
  // What fails leaves the WASM in no known state: the thread ends, and is started again when it is needed.
  last = last.then(() => handle(message))
  last.catch((cause: unknown) => {
    process.stderr.write(`grammars: ${cause instanceof Error ? cause.message : String(cause)}\n`)
    process.exit(1)
  })
})
