/** The values that the blocks of a GGUF matrix stand for. */
import { GGML_TYPES, type GgmlType } from './ggml-types.ts'

/** `bytes` holds whole blocks. */
export function dequantise(type: GgmlType, bytes: Buffer): Float32Array {
  const format = GGML_TYPES[type]
  const count = bytes.length / format.blockBytes
  const values = new Float32Array(count * format.blockElements)
  if (format.kind === 'float') {
    for (let i = 0; i < count; i++) values[i] = format.read(bytes, i * format.blockBytes)
    return values
  }
  const { bits, groupElements } = format
  const groups = values.length / groupElements
  const out = {
    integers: new Uint8Array((values.length * bits) / 8),
    scales: new Float32Array(groups),
    minimums: new Float32Array(groups),
  }
  for (let block = 0; block < count; block++) format.unpack(bytes, block * format.blockBytes, out, block)
  const centre = 2 ** (bits - 1)
  for (let i = 0; i < values.length; i++) {
    const q = bits === 8 ? (out.integers[i] ?? 0) : ((out.integers[i >> 1] ?? 0) >> (4 * (i & 1))) & 15
    const group = Math.floor(i / groupElements)
    values[i] = (out.scales[group] ?? 0) * (q - centre) + (out.minimums[group] ?? 0)
  }
  return values
}
