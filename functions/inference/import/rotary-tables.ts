/** Cosines and sines of rotary position embeddings, for every position up to the context length. */

import type { DecoderShape } from './decoder-shape.ts'
import { GgufError } from './gguf-cursor.ts'
import type { GgufFile, GgufTensor } from './gguf-file.ts'

/** Both [contextLength, headDim / 2]. `factors` (rope_freqs.weight, Llama 3's long context) divides each frequency. */
export async function rotaryTables(
  file: GgufFile,
  factors: GgufTensor | null,
  shape: DecoderShape,
): Promise<{ cos: Float32Array; sin: Float32Array }> {
  const { headDim, contextLength, ropeTheta, ropeScale } = shape
  if (factors && factors.type !== 'F32') throw new GgufError('rope_freqs.weight is not F32')
  const factorBytes = factors && (await file.read(factors.offset, factors.byteLength))
  const half = headDim / 2
  const frequencies = Float64Array.from({ length: half }, (_, i) => {
    return ropeTheta ** ((-2 * i) / headDim) / ropeScale / (factorBytes?.readFloatLE(i * 4) ?? 1)
  })
  const cos = new Float32Array(contextLength * half)
  const sin = new Float32Array(contextLength * half)
  for (let position = 0; position < contextLength; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * (frequencies[i] ?? 0)
      cos[position * half + i] = Math.cos(angle)
      sin[position * half + i] = Math.sin(angle)
    }
  }
  return { cos, sin }
}
