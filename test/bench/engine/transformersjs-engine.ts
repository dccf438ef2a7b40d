/** transformers.js as bench:engine drives it: one stream, generated greedily through its own generate(). It does not batch streams. */
import { pathToFileURL } from 'node:url'
import { installPeers, peerFile, peerVersion } from '../peers/install.ts'
import { serveEngine } from './engine-process.ts'
import { type EngineSettings, type MeasuredEngine, promptTokens } from './measured-engine.ts'

/** The parts of @huggingface/transformers in use; its own types are not there before the bench has installed it. */
type Library = {
  env: { allowRemoteModels: boolean; allowLocalModels: boolean; localModelPath: string }
  AutoModelForCausalLM: { from_pretrained(folder: string, options: object): Promise<Model> }
  Tensor: new (type: 'int64', data: BigInt64Array, dims: number[]) => object
  BaseStreamer: new () => object
}
type Model = { generate(options: object): Promise<unknown> }

async function openTransformersJs({ modelFolder, threads }: EngineSettings): Promise<MeasuredEngine> {
  installPeers()
  const entry = pathToFileURL(peerFile('@huggingface/transformers/dist/transformers.node.mjs')).href
  // Sound for the pinned version; a wrong member fails at its first call.
  const { env, AutoModelForCausalLM, Tensor, BaseStreamer } = (await import(entry)) as Library
  env.allowRemoteModels = false
  env.localModelPath = '/'
  const model = await AutoModelForCausalLM.from_pretrained(modelFolder, {
    dtype: 'fp32',
    device: 'cpu',
    session_options: { intraOpNumThreads: threads },
  })

  /** Called with the prompt first, then once a token. */
  class Clock extends BaseStreamer {
    readonly times: number[] = []
    put() {
      this.times.push(performance.now())
    }
    end() {}
  }

  return {
    version: `@huggingface/transformers ${peerVersion('@huggingface/transformers')}`,
    async measure(cell) {
      if (cell.kind !== 'decode' || cell.batch !== 1) throw new Error('It decodes one stream at a time.')
      const prompt = promptTokens(Math.max(2, cell.context))
      const ids = BigInt64Array.from(prompt, BigInt)
      const streamer = new Clock()
      const options = { do_sample: false, min_new_tokens: cell.steps + 1, max_new_tokens: cell.steps + 1, streamer }
      await model.generate({
        input_ids: new Tensor('int64', ids, [1, ids.length]),
        attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), [1, ids.length]),
        ...options,
      })
      // The prompt, the token that its prefill gave, and one for each step.
      const [, first, ...steps] = streamer.times
      const last = steps.at(-1)
      if (first === undefined || last === undefined || steps.length !== cell.steps) {
        throw new Error(`It gave ${steps.length} tokens for ${cell.steps} steps.`)
      }
      return last - first
    },
  }
}

await serveEngine(openTransformersJs)
