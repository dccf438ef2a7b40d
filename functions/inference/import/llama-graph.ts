/**
 * The llama architecture as an ONNX graph with ONNX Runtime's fused operators (its inputs and outputs are documented in models/model-config.ts).
 * q, k, v are one product and so are gate and up: fewer nodes, and each costs about 12 µs whatever it computes.
 */
import { GgufError } from './gguf-cursor.ts'
import type { GgufFile, GgufTensor } from './gguf-file.ts'
import { GraphBuilder } from './graph-builder.ts'
import { type AccuracyLevel, LinearLayers } from './linear-layer.ts'
import type { LlamaShape } from './llama-shape.ts'
import { addMatrix } from './quantised-weights.ts'
import { rotaryTables } from './rotary-tables.ts'

/** Builds the graph; throws GgufError where a tensor is missing, of the wrong shape, or not understood. */
export async function buildLlamaGraph(
  file: GgufFile,
  shape: LlamaShape,
  accuracyLevel: AccuracyLevel,
): Promise<GraphBuilder> {
  const builder = new GraphBuilder()
  const linear = new LinearLayers(builder, file, accuracyLevel)
  const tensors = new TensorSource(file)
  const { hiddenSize, heads, kvHeads, headDim, layers, vocabSize, feedForwardSize } = shape
  const queryRows = heads * headDim
  const kvRows = kvHeads * headDim
  const epsilon = { epsilon: { float: shape.normEpsilon } }

  const vector = async (name: string): Promise<string> => {
    const tensor = tensors.take(name, 1, hiddenSize)
    if (tensor.type !== 'F32') throw new GgufError(`${name} is ${tensor.type}, and norms are expected in F32`)
    const bytes = await file.read(tensor.offset, tensor.byteLength)
    return builder.constant(
      name,
      'float',
      [hiddenSize],
      Float32Array.from({ length: hiddenSize }, (_, i) => bytes.readFloatLE(i * 4)),
    )
  }

  const { cos, sin } = await rotaryTables(file, tensors.takeIfPresent('rope_freqs.weight', 1, headDim / 2), shape)
  builder.constant('rotary.cos', 'float', [shape.contextLength, headDim / 2], cos)
  builder.constant('rotary.sin', 'float', [shape.contextLength, headDim / 2], sin)

  const embeddings = addMatrix(builder, file, 'token_embd', [tensors.take('token_embd.weight', vocabSize, hiddenSize)])
  let residual = linear.rows('input_ids', embeddings, 'embedded')
  const norm = { ...epsilon, axis: -1, stash_type: 1 }
  let normed = builder.node(
    'SimplifiedLayerNormalization',
    [residual, await vector('blk.0.attn_norm.weight')],
    ['layer.0.in'],
    norm,
  )

  for (let layer = 0; layer < layers; layer++) {
    const weight = (name: string, rows: number, columns: number) =>
      tensors.take(`blk.${layer}.${name}.weight`, rows, columns)
    const at = (name: string) => `layer.${layer}.${name}`
    const qkv = linear.stacked(
      normed,
      [
        weight('attn_q', queryRows, hiddenSize),
        weight('attn_k', kvRows, hiddenSize),
        weight('attn_v', kvRows, hiddenSize),
      ],
      at('qkv'),
    )
    const past = (part: string) => `past_key_values.${layer}.${part}`
    const present = (part: string) => `present.${layer}.${part}`
    const attended = builder.contribNode(
      'GroupQueryAttention',
      [qkv, '', '', past('key'), past('value'), 'seqlens_k', 'total_sequence_length', 'rotary.cos', 'rotary.sin'],
      [at('attended'), present('key'), present('value')],
      {
        num_heads: heads,
        kv_num_heads: kvHeads,
        do_rotary: 1,
        // llama.cpp permutes the rows of q and k of this architecture, so that the pairs to rotate are neighbours.
        rotary_interleaved: 1,
        scale: { float: 1 / Math.sqrt(headDim) },
      },
    )
    for (const part of ['key', 'value']) {
      builder.inputs.push({
        name: past(part),
        type: 'float',
        dims: ['batch_size', kvHeads, 'past_sequence_length', headDim],
      })
      builder.outputs.push({
        name: present(part),
        type: 'float',
        dims: ['batch_size', kvHeads, 'total_sequence_length', headDim],
      })
    }
    const projected = linear.stacked(attended, [weight('attn_output', hiddenSize, queryRows)], at('projected'))
    const middle = builder.contribNode(
      'SkipSimplifiedLayerNormalization',
      [residual, projected, await vector(`blk.${layer}.ffn_norm.weight`)],
      [at('middle'), '', '', at('residual')],
      epsilon,
    )
    const gateUp = linear.stacked(
      middle,
      [weight('ffn_gate', feedForwardSize, hiddenSize), weight('ffn_up', feedForwardSize, hiddenSize)],
      at('gate_up'),
    )
    builder.node('Split', [gateUp], [at('gate'), at('up')], { axis: -1, num_outputs: 2 })
    // x * sigmoid(1 * x). Its kernel works in fixed pieces, whereas Sigmoid's split over threads varies with the number of rows.
    const activated = builder.contribNode('QuickGelu', [at('gate')], [at('activated')], { alpha: { float: 1 } })
    const gated = builder.node('Mul', [activated, at('up')], [at('gated')])
    const down = linear.stacked(gated, [weight('ffn_down', hiddenSize, feedForwardSize)], at('down'))
    const nextNorm = layer + 1 < layers ? `blk.${layer + 1}.attn_norm.weight` : 'output_norm.weight'
    const nextIn = layer + 1 < layers ? `layer.${layer + 1}.in` : 'hidden'
    const nextResidual = at('out')
    normed = builder.contribNode(
      'SkipSimplifiedLayerNormalization',
      [at('residual'), down, await vector(nextNorm)],
      [nextIn, '', '', nextResidual],
      epsilon,
    )
    residual = nextResidual
  }

  // Only the positions that are asked for pass the head: all logits of a prompt of 1,024 tokens would be 201 MB.
  const selected = builder.node('GatherND', [normed, 'logits_index'], ['selected'], { batch_dims: 1 })
  const head = tensors.takeIfPresent('output.weight', vocabSize, hiddenSize)
  linear.product(selected, head ? addMatrix(builder, file, 'output', [head]) : embeddings, 'logits')
  tensors.refuseLeftovers()

  builder.inputs.unshift(
    { name: 'input_ids', type: 'int64', dims: ['batch_size', 'sequence_length'] },
    { name: 'seqlens_k', type: 'int32', dims: ['batch_size'] },
    { name: 'total_sequence_length', type: 'int32', dims: [] },
    { name: 'logits_index', type: 'int64', dims: ['batch_size', 'positions', 1] },
  )
  builder.outputs.unshift({ name: 'logits', type: 'float', dims: ['batch_size', 'positions', vocabSize] })
  return builder
}

/** Hands out each tensor once, with its shape checked; what nobody took is a part of the model that would be silently lost. */
class TensorSource {
  readonly #file: GgufFile
  readonly #left: Set<string>

  constructor(file: GgufFile) {
    this.#file = file
    this.#left = new Set(file.tensors.keys())
  }

  take(name: string, rows: number, columns: number): GgufTensor {
    const tensor = this.takeIfPresent(name, rows, columns)
    if (!tensor) throw new GgufError(`it has no tensor ${name}`)
    return tensor
  }

  takeIfPresent(name: string, rows: number, columns: number): GgufTensor | null {
    const tensor = this.#file.tensors.get(name)
    if (!tensor) return null
    if (tensor.rows !== rows || tensor.columns !== columns) {
      throw new GgufError(`${name} is ${tensor.rows} x ${tensor.columns}, and its metadata says ${rows} x ${columns}`)
    }
    this.#left.delete(name)
    return tensor
  }

  refuseLeftovers(): void {
    const [name] = this.#left
    if (name)
      throw new GgufError(
        `it has ${this.#left.size} tensors that the llama architecture does not use, the first is ${name}`,
      )
  }
}
