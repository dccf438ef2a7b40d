/**
 * llama.cpp through node-llama-cpp, below its chat layers: batches are decoded by its binding's own calls, so that nothing of
 * JavaScript's scheduling is counted against llama.cpp. Those calls are not public; the version is pinned for that reason.
 */
import { pathToFileURL } from 'node:url'
import { installPeers, peerFile, peerVersion } from '../peers/install.ts'

export type Llama = {
  version: string
  tokenize(text: string): number[]
  detokenize(tokens: readonly number[]): string
  openContext(options: { sequences: number; contextTokens: number }): Promise<LlamaContext>
}

export type LlamaContext = {
  /**
   * Decodes one batch: for each sequence its tokens from `position` on, logits for the last of each.
   * @returns the greedy next token of each sequence
   */
  decode(rows: readonly LlamaRow[]): Promise<number[]>
  /** Forgets everything of the sequence from `position` on. */
  cut(sequence: number, position: number): void
  /** What `from` holds, `to` then holds. */
  copy(from: number, to: number): Promise<void>
  /**
   * Natural logarithm of the probability of each token but the first, given those before it: at most LLAMA_BATCH_TOKENS tokens,
   * in sequence 0, whose contents are lost.
   */
  logProbabilities(tokens: readonly number[]): Promise<number[]>
}

export type LlamaRow = { sequence: number; position: number; tokens: readonly number[] }

/** Tokens that one call takes, llama.cpp's default. */
export const LLAMA_BATCH_TOKENS = 512

/** The parts of node-llama-cpp 3.22 in use; its own types are not there before the bench has installed it. */
type Binding = {
  initBatch(tokens: number): void
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logitIndexes: Uint32Array): Uint32Array
  decodeBatch(): Promise<void>
  sampleToken(batchIndex: number, sampler: object): Promise<number>
  sampleToken(
    batchIndex: number,
    sampler: object,
    probabilities: false,
    confidence: false,
    logits: [tokens: number[], max: false, min: false, selected: false, top: number],
    totalLogitWeight: true,
  ): Promise<
    [token: number, probabilities: undefined, confidence: undefined, logits: number[], totalLogitWeight: number]
  >
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): boolean
  copySequenceStateFromOtherSequence(to: number, from: number): Promise<number>
  setThreads(threads: number): void
}
type Context = { _ctx: Binding }
type Model = {
  _model: object
  tokenize(text: string, specialTokens: boolean): number[]
  detokenize(tokens: readonly number[], specialTokens: boolean): string
  createContext(options: object): Promise<Context>
}
type Library = {
  getLlama(options: object): Promise<{
    _bindings: { AddonSampler: new (model: object) => { applyConfig(config: object): void } }
    loadModel(options: { modelPath: string }): Promise<Model>
  }>
}

export async function openLlama(ggufPath: string, threads: number): Promise<Llama> {
  installPeers()
  const entry = pathToFileURL(peerFile('node-llama-cpp/dist/index.js')).href
  // Sound for the pinned version; a wrong member fails at its first call.
  const library = (await import(entry)) as Library
  const llama = await library.getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: 'error',
    maxThreads: threads,
  })
  const model = await llama.loadModel({ modelPath: ggufPath })
  const greedy = new llama._bindings.AddonSampler(model._model)
  greedy.applyConfig({ temperature: 0 })
  return {
    version: `node-llama-cpp ${peerVersion('node-llama-cpp')}`,
    tokenize: (text) => [...model.tokenize(text, false)],
    detokenize: (tokens) => model.detokenize(tokens, true),
    async openContext({ sequences, contextTokens }) {
      const context = await model.createContext({
        sequences,
        contextSize: contextTokens,
        batchSize: LLAMA_BATCH_TOKENS,
        flashAttention: true,
        threads,
      })
      context._ctx.setThreads(threads)
      return wrap(context, greedy)
    },
  }
}

function wrap({ _ctx: binding }: Context, greedy: object): LlamaContext {
  const cut = (sequence: number, position: number) => void binding.removeTokenCellsFromSequence(sequence, position, -1)

  /** The logit of `token` less the logarithm of the sum of all exponentials, both from llama.cpp before any sampling rule. */
  async function logProbability(batchIndex: number, token: number): Promise<number> {
    // The largest logit is asked for as the top one: the binding's own `max` leaves it out when it is not also a wanted token.
    const sampled = await binding.sampleToken(batchIndex, greedy, false, false, [[token], false, false, false, 1], true)
    const [, , , pairs, totalWeight] = sampled
    const logits = new Map(
      pairs.flatMap((id, at) => (at % 2 === 0 ? [[id, pairs[at + 1] ?? Number.NaN] as const] : [])),
    )
    // totalWeight is the sum of exp(logit - largest).
    return (logits.get(token) ?? Number.NaN) - Math.max(...logits.values()) - Math.log(totalWeight)
  }

  return {
    cut,
    async decode(rows) {
      binding.initBatch(rows.reduce((sum, { tokens }) => sum + tokens.length, 0))
      const added = rows.map(({ sequence, position, tokens }) =>
        binding.addToBatch(sequence, position, Uint32Array.from(tokens), Uint32Array.of(tokens.length - 1)),
      )
      await binding.decodeBatch()
      const next: number[] = []
      for (const [index = -1] of added) next.push(await binding.sampleToken(index, greedy))
      return next
    },
    copy: async (from, to) => void (await binding.copySequenceStateFromOtherSequence(to, from)),
    async logProbabilities(tokens) {
      cut(0, 0)
      binding.initBatch(tokens.length)
      const every = Uint32Array.from(tokens.keys())
      const indexes = binding.addToBatch(0, 0, Uint32Array.from(tokens), every)
      await binding.decodeBatch()
      const result: number[] = []
      for (const [index, token] of tokens.slice(1).entries()) {
        result.push(await logProbability(indexes[index] ?? -1, token))
      }
      return result
    },
  }
}
