/** The attention of one layer as nodes: biases and norms where the architecture has them, then rotation, the cache and the scores in one operator. */
import type { Architecture } from './architectures.ts'
import type { DecoderShape } from './decoder-shape.ts'
import type { GraphBuilder } from './graph-builder.ts'
import type { TensorSource } from './tensor-source.ts'

export type AttentionLayer = {
  builder: GraphBuilder
  tensors: TensorSource
  shape: DecoderShape
  architecture: Architecture
  layer: number
}

/** `qkv` [batch, sequence, (heads + 2 * kvHeads) * headDim] to what attn_output takes, [batch, sequence, heads * headDim]. */
export async function addAttention(of: AttentionLayer, qkv: string): Promise<string> {
  const { builder, shape, architecture, layer } = of
  const { heads, kvHeads, headDim } = shape
  const biased = architecture.hasAttentionBias ? await addBias(of, qkv) : qkv
  const separate = architecture.hasHeadNorms ? await addHeadNorms(of, biased) : [biased, '', '']
  const past = (part: string) => `past_key_values.${layer}.${part}`
  const present = (part: string) => `present.${layer}.${part}`
  const attended = builder.contribNode(
    'GroupQueryAttention',
    [...separate, past('key'), past('value'), 'seqlens_k', 'total_sequence_length', 'rotary.cos', 'rotary.sin'],
    [`layer.${layer}.attended`, present('key'), present('value')],
    {
      num_heads: heads,
      kv_num_heads: kvHeads,
      do_rotary: 1,
      rotary_interleaved: architecture.rotatedPairs === 'neighbours' ? 1 : 0,
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
  return attended
}

async function addBias({ builder, tensors, shape, layer }: AttentionLayer, qkv: string): Promise<string> {
  const queryRows = shape.heads * shape.headDim
  const kvRows = shape.kvHeads * shape.headDim
  const bias = new Float32Array(queryRows + 2 * kvRows)
  bias.set(await tensors.takeVector(`blk.${layer}.attn_q.bias`, queryRows), 0)
  bias.set(await tensors.takeVector(`blk.${layer}.attn_k.bias`, kvRows), queryRows)
  bias.set(await tensors.takeVector(`blk.${layer}.attn_v.bias`, kvRows), queryRows + kvRows)
  const at = (name: string) => `layer.${layer}.${name}`
  return builder.node('Add', [qkv, builder.constant(at('qkv.bias'), 'float', [bias.length], bias)], [at('biased')])
}

/**
 * Cuts `qkv` into q, k and v, with each head of q and of k normalised by itself. GroupQueryAttention has inputs for these norms, but ONNX Runtime 1.30
 * implements them for CUDA and WebGPU only. The norm's kernel works on one head at a time, so a row does not depend on its neighbours.
 */
async function addHeadNorms({ builder, tensors, shape, layer }: AttentionLayer, qkv: string): Promise<string[]> {
  const { heads, kvHeads, headDim } = shape
  const at = (name: string) => `layer.${layer}.${name}`
  const sizes = BigInt64Array.from([heads, kvHeads, kvHeads], (count) => BigInt(count * headDim))
  const cut = [at('q'), at('k'), at('v')]
  builder.node('Split', [qkv, builder.constant(at('qkv.sizes'), 'int64', [3], sizes)], cut, { axis: -1 })
  const normed = async (part: 'q' | 'k', count: number): Promise<string> => {
    const weight = await tensors.takeVector(`blk.${layer}.attn_${part}_norm.weight`, headDim)
    const name = builder.constant(`blk.${layer}.attn_${part}_norm.weight`, 'float', [headDim], weight)
    const to = (dims: number[]) =>
      builder.constant(at(`${part}.shape${dims.length}`), 'int64', [dims.length], BigInt64Array.from(dims, BigInt))
    const apart = builder.node('Reshape', [at(part), to([0, 0, count, headDim])], [at(`${part}.heads`)])
    const attributes = { epsilon: { float: shape.normEpsilon }, axis: -1, stash_type: 1 }
    builder.node('SimplifiedLayerNormalization', [apart, name], [at(`${part}.heads.normed`)], attributes)
    return builder.node('Reshape', [at(`${part}.heads.normed`), to([0, 0, count * headDim])], [at(`${part}.normed`)])
  }
  return [await normed('q', heads), await normed('k', kvHeads), at('v')]
}
