/** Compiles grammars for one vocabulary and keeps the latest. For the thread that grammar-worker.ts is: a bad grammar ends the WASM within. */
import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar'
import type { GrammarSource } from '../../grammar/grammar-source.ts'
import { loadXgrammar } from './load-xgrammar.ts'

export type GrammarCompiler = {
  /** Rejects when the grammar is none. */
  compile(source: GrammarSource): Promise<CompiledGrammar>
  match(compiled: CompiledGrammar): Promise<GrammarMatcher>
}

/** Compiled grammars that are kept. One takes 0.1 to 2 MB. */
const KEPT_MAX = 32

export type CompilerOptions = {
  /** By id, in GPT-2's byte alphabet; '' for a token that no grammar may ask for. */
  tokens: string[]
  eosTokenIds: number[]
}

export async function createGrammarCompiler({ tokens, eosTokenIds }: CompilerOptions): Promise<GrammarCompiler> {
  const xgrammar = loadXgrammar()
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(tokens, 'byte_level', false, tokens.length, eosTokenIds)
  const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false)
  /** The first is the one that was not used for longest. */
  const kept = new Map<string, CompiledGrammar>()

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
      const compiled = kept.get(key) ?? (await compileNew(source))
      kept.delete(key)
      kept.set(key, compiled)
      const [oldest] = kept.keys()
      if (kept.size > KEPT_MAX && oldest !== undefined) {
        // Matchers hold on to what they need of it.
        kept.get(oldest)?.dispose()
        kept.delete(oldest)
      }
      return compiled
    },
    match: (compiled) => xgrammar.GrammarMatcher.createGrammarMatcher(compiled),
  }
}
