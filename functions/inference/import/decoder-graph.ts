/**
 * A decoder of the llama family as an ONNX graph with ONNX Runtime's fused operators (its inputs and outputs are documented in models/model-config.ts).
 * q, k, v are one product and so are gate and up: fewer nodes, and each costs about 12 µs whatever it computes.
 */
import { ARCHITECTURES } from './architectures.ts'
import { addAttention } from './attention.ts'
import type { DecoderShape } from './decoder-shape.ts'
import type { GgufFile } from './gguf-file.ts'
import { GraphBuilder } from './graph-builder.ts'
import { type AccuracyLevel, LinearLayers } from './linear-layer.ts'
import { addMatrix } from './quantised-weights.ts'
import { rotaryTables } from './rotary-tables.ts'
import { TensorSource } from './tensor-source.ts'

/** Builds the graph; throws GgufError where a tensor is missing, of the wrong shape, or not understood. */
export async function buildDecoderGraph(
  file: GgufFile,
  shape: DecoderShape,
  accuracyLevel: AccuracyLevel,
): Promise<GraphBuilder> {
  const builder = new GraphBuilder()
  const linear = new LinearLayers(builder, file, accuracyLevel)
  const tensors = new TensorSource(file)
  const architecture = ARCHITECTURES[shape.architecture]
  const { hiddenSize, heads, kvHeads, headDim, layers, vocabSize, feedForwardSize } = shape
  const queryRows = heads * headDim
  const kvRows = kvHeads * headDim
  const epsilon = { epsilon: { float: shape.normEpsilon } }

  const vector = async (name: string): Promise<string> =>
    builder.constant(name, 'float', [hiddenSize], await tensors.takeVector(name, hiddenSize))

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
    const attended = await addAttention({ builder, tensors, shape, architecture, layer }, qkv)
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
  tensors.refuseLeftovers(shape.architecture)

  builder.inputs.unshift(
    { name: 'input_ids', type: 'int64', dims: ['batch_size', 'sequence_length'] },
    { name: 'seqlens_k', type: 'int32', dims: ['batch_size'] },
    { name: 'total_sequence_length', type: 'int32', dims: [] },
    { name: 'logits_index', type: 'int64', dims: ['batch_size', 'positions', 1] },
  )
  builder.outputs.unshift({ name: 'logits', type: 'float', dims: ['batch_size', 'positions', vocabSize] })
  return builder
}
