/** Compiles grammars for one vocabulary and keeps the latest. For the thread that grammar-worker.ts is: a bad grammar ends the WASM within. */
import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar'
import type { GrammarSource } from '../../grammar/grammar-source.ts'
import { loadXgrammar } from './load-xgrammar.ts'

export type GrammarCompiler = {
  /** Rejects when the grammar is none. */
  compile(source: GrammarSource): Promise<CompiledGrammar>
  match(compiled: CompiledGrammar): Promise<GrammarMatcher>
}

/** Of compiled grammars that are kept; the latest is in any case. */
export const KEPT_BYTES_MAX = 64 * 2 ** 20

/**
 * About what a compiled grammar takes. xgrammar does not tell; its heap grew by 2.3 to 2.5 MiB each for 60 to 240 grammars of 900 to 4,600 characters
 * and the default model's 49,152 tokens, by 3 MiB for 19,000 characters.
 */
const BYTES_PER_TOKEN = 50
const BYTES_PER_CHARACTER = 32
const keptBytes = (vocabulary: number, text: string) => vocabulary * BYTES_PER_TOKEN + text.length * BYTES_PER_CHARACTER

export type CompilerOptions = {
  /** By id, in GPT-2's byte alphabet; '' for a token that no grammar may ask for. */
  tokens: string[]
  eosTokenIds: number[]
  /** Default KEPT_BYTES_MAX. */
  keptBytesMax?: number
}

export async function createGrammarCompiler({
  tokens,
  eosTokenIds,
  keptBytesMax = KEPT_BYTES_MAX,
}: CompilerOptions): Promise<GrammarCompiler> {
  const xgrammar = loadXgrammar()
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(tokens, 'byte_level', false, tokens.length, eosTokenIds)
  const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false)
  /** The first is the one that was not used for longest. */
  const kept = new Map<string, CompiledGrammar>()
  let bytes = 0

  async function compileNew({ text, tag }: GrammarSource): Promise<CompiledGrammar> {
    if (tag === undefined || tag.free === null) return compiler.compileGrammar(text)
    const { begin, end, free } = tag
    const content = { type: 'grammar' as const, grammar: text }
    return compiler.compileStructuralTag({
      type: 'triggered_tags',
      triggers: [begin],
      tags: [{ type: 'tag', begin, content, end }],
      stop_after_first: free === 'once',
    })
  }

  return {
    async compile(source) {
      const key = JSON.stringify([source.text, source.tag])
      const known = kept.get(key)
      const compiled = known ?? (await compileNew(source))
      kept.delete(key)
      kept.set(key, compiled)
      if (known === undefined) bytes += keptBytes(tokens.length, key)
      for (const [oldest, grammar] of kept) {
        if (bytes <= keptBytesMax || oldest === key) break
        // Matchers hold on to what they need of it.
        grammar.dispose()
        kept.delete(oldest)
        bytes -= keptBytes(tokens.length, oldest)
      }
      return compiled
    },
    match: (compiled) => xgrammar.GrammarMatcher.createGrammarMatcher(compiled),
  }
}
