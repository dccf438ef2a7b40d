/** A model in plain double arithmetic, one token at a time, with weights as numbers: what the imported graph must compute. */
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
        const isLlama = model.architecture === 'llama'
        const one = head * headDim + (isLlama ? 2 * pair : pair)
        const other = isLlama ? one + 1 : one + headDim / 2
        const [a = 0, b = 0] = [x[one], x[other]]
        out[one] = a * Math.cos(angle) - b * Math.sin(angle)
        out[other] = a * Math.sin(angle) + b * Math.cos(angle)
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
      const project = (part: 'q' | 'k' | 'v') => {
        const bias = model.values.get(`blk.${layer}.attn_${part}.bias`)
        const product = multiply(at(`attn_${part}`), normed)
        return bias ? add(product, bias) : product
      }
      const eachHead = (x: Float64Array, part: 'q' | 'k') => {
        const headNorm = model.values.get(`blk.${layer}.attn_${part}_norm.weight`)
        if (!headNorm) return x
        const out = new Float64Array(x.length)
        for (let i = 0; i < x.length; i += headDim) out.set(norm(x.slice(i, i + headDim), headNorm, normEpsilon), i)
        return out
      }
      keys[layer]?.push(rotate(eachHead(project('k'), 'k'), kvHeads, position))
      values[layer]?.push(project('v'))
      const attended = attend(layer, rotate(eachHead(project('q'), 'q'), heads, position))
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
