/** The same weights as a folder that transformers.js loads: our graph behind the inputs that it knows, and the files beside it. */
import { existsSync } from 'node:fs'
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildDecoderGraph } from '../../../functions/inference/import/decoder-graph.ts'
import { readDecoderShape } from '../../../functions/inference/import/decoder-shape.ts'
import { openGguf } from '../../../functions/inference/import/gguf-file.ts'
import type { GraphBuilder } from '../../../functions/inference/import/graph-builder.ts'
import { IMPORTER_VERSION, TOKENIZER_FILE } from '../../../functions/inference/models/model-config.ts'
import { cacheFolder } from '../peers/cache-folder.ts'
import type { ModelFiles } from './model-files.ts'

/** Makes the folder on first use, in the cache; resolves to its path. */
export async function transformersJsFolder(files: ModelFiles): Promise<string> {
  const folder = join(cacheFolder('transformersjs'), `${files.sha256.slice(0, 12)}-importer${IMPORTER_VERSION}`)
  if (existsSync(folder)) return folder
  const opened = await openGguf(files.ggufPath)
  if (!opened.ok) throw new Error(opened.message)
  const unfinished = `${folder}.${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(join(unfinished, 'onnx'), { recursive: true })
  const shape = readDecoderShape(opened.file)
  const graph = await buildDecoderGraph(opened.file, shape, 4)
  takeStandardInputs(graph)
  await graph.finish(join(unfinished, 'onnx'), 'perigee bench', () => {})
  await opened.file.close()
  const config = {
    ...{ model_type: 'llama', architectures: ['LlamaForCausalLM'], vocab_size: shape.vocabSize },
    ...{ hidden_size: shape.hiddenSize, num_hidden_layers: shape.layers, max_position_embeddings: shape.contextLength },
    ...{ num_attention_heads: shape.heads, num_key_value_heads: shape.kvHeads, head_dim: shape.headDim },
  }
  await writeFile(join(unfinished, 'config.json'), JSON.stringify(config))
  await writeFile(join(unfinished, 'generation_config.json'), '{}')
  await copyFile(join(files.modelFolder, TOKENIZER_FILE), join(unfinished, TOKENIZER_FILE))
  await rename(unfinished, folder)
  return folder
}

/** Derives our inputs from `attention_mask` int64 [batch, total] and gives logits for the last position, [batch, 1, vocab]. */
function takeStandardInputs(graph: GraphBuilder): void {
  const derived = ['seqlens_k', 'total_sequence_length', 'logits_index']
  const kept = graph.inputs.filter(({ name }) => !derived.includes(name))
  graph.inputs.splice(0, graph.inputs.length, ...kept)
  graph.inputs.push({ name: 'attention_mask', type: 'int64', dims: ['batch_size', 'total_sequence_length'] })

  const INT32 = 6
  const ones = (name: string, length: number) =>
    graph.constant(name, 'int64', [length], new BigInt64Array(length).fill(1n))
  const one = ones('one', 1)
  const keys = graph.node('ReduceSum', ['attention_mask', one], ['mask.keys'], { keepdims: 0 })
  graph.node('Cast', [graph.node('Sub', [keys, one], ['mask.last'])], ['seqlens_k'], { to: INT32 })
  const total = graph.node('Shape', ['attention_mask'], ['mask.total'], { start: 1, end: 2 })
  graph.node('Cast', [graph.node('Squeeze', [total], ['mask.scalar'])], ['total_sequence_length'], { to: INT32 })
  const length = graph.node('Shape', ['input_ids'], ['ids.length'], { start: 1, end: 2 })
  const rows = graph.node('Shape', ['input_ids'], ['ids.rows'], { start: 0, end: 1 })
  const shape = graph.node('Concat', [rows, ones('ones', 2)], ['last.shape'], { axis: 0 })
  graph.node('Expand', [graph.node('Sub', [length, one], ['last']), shape], ['logits_index'])
}
