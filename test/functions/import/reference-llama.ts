/** A llama in plain double arithmetic, one token at a time, with weights as numbers: what the imported graph must compute. */
import type { SyntheticModel } from './synthetic-gguf.ts'

/** The logits after each of the tokens, in order. */
export function referenceLogits(model: SyntheticModel, ids: readonly number[]): Float64Array[] {
  const { layers, hiddenSize, heads, kvHeads, headDim, normEpsilon } = model.shape
  const weight = (name: string): Float64Array => {
    const values = model.values.get(name)
    if (!values) throw new Error(`no ${name}`)
    return values
  }
  const factors = model.values.get('rope_freqs.weight')
  const keys: Float64Array[][] = Array.from({ length: layers }, () => [])
  const values: Float64Array[][] = Array.from({ length: layers }, () => [])

  const rotate = (x: Float64Array, count: number, position: number): Float64Array => {
    const out = x.slice()
    for (let head = 0; head < count; head++) {
      for (let pair = 0; pair < headDim / 2; pair++) {
        const angle = (position * model.shape.ropeTheta ** ((-2 * pair) / headDim)) / (factors?.[pair] ?? 1)
        const at = head * headDim + 2 * pair
        const [a = 0, b = 0] = [x[at], x[at + 1]]
        out[at] = a * Math.cos(angle) - b * Math.sin(angle)
        out[at + 1] = a * Math.sin(angle) + b * Math.cos(angle)
      }
    }
    return out
  }

  const attend = (layer: number, query: Float64Array): Float64Array => {
    const out = new Float64Array(heads * headDim)
    const [pastKeys = [], pastValues = []] = [keys[layer], values[layer]]
    for (let head = 0; head < heads; head++) {
      const kvAt = Math.floor(head / (heads / kvHeads)) * headDim
      const scores = pastKeys.map((key) => {
        let sum = 0
        for (let d = 0; d < headDim; d++) sum += (query[head * headDim + d] ?? 0) * (key[kvAt + d] ?? 0)
        return sum / Math.sqrt(headDim)
      })
      const top = Math.max(...scores)
      const shares = scores.map((score) => Math.exp(score - top))
      const total = shares.reduce((a, b) => a + b)
      pastValues.forEach((value, t) => {
        for (let d = 0; d < headDim; d++) {
          const at = head * headDim + d
          out[at] = (out[at] ?? 0) + ((shares[t] ?? 0) / total) * (value[kvAt + d] ?? 0)
        }
      })
    }
    return out
  }

  return ids.map((id, position) => {
    let x: Float64Array = weight('token_embd.weight').slice(id * hiddenSize, (id + 1) * hiddenSize)
    for (let layer = 0; layer < layers; layer++) {
      const at = (name: string) => weight(`blk.${layer}.${name}.weight`)
      const normed = norm(x, at('attn_norm'), normEpsilon)
      keys[layer]?.push(rotate(multiply(at('attn_k'), normed), kvHeads, position))
      values[layer]?.push(multiply(at('attn_v'), normed))
      const attended = attend(layer, rotate(multiply(at('attn_q'), normed), heads, position))
      x = add(x, multiply(at('attn_output'), attended))
      const middle = norm(x, at('ffn_norm'), normEpsilon)
      const gate = multiply(at('ffn_gate'), middle)
      const up = multiply(at('ffn_up'), middle)
      x = add(
        x,
        multiply(
          at('ffn_down'),
          gate.map((value, i) => (value / (1 + Math.exp(-value))) * (up[i] ?? 0)),
        ),
      )
    }
    const head = model.values.get('output.weight') ?? weight('token_embd.weight')
    return multiply(head, norm(x, weight('output_norm.weight'), normEpsilon))
  })
}

function multiply(matrix: Float64Array, x: Float64Array): Float64Array {
  const columns = x.length
  return Float64Array.from({ length: matrix.length / columns }, (_, row) => {
    let sum = 0
    for (let i = 0; i < columns; i++) sum += (matrix[row * columns + i] ?? 0) * (x[i] ?? 0)
    return sum
  })
}

function norm(x: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length
  return x.map((value, i) => (value / Math.sqrt(mean + epsilon)) * (weight[i] ?? 0))
}

function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + (b[i] ?? 0))
}
