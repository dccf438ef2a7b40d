/**
 * A variant of an imported model's graph that adds low-rank adapters to its products. The graph beside it stays as it is, byte for byte, and both
 * refer to the same weights file; so who uses no adapter pays nothing, and models that were imported before need no second import.
 *
 * Each fused product y = x W gets y + ((2 x A) m) B / 2, where A and B hold all adapters of the batch side by side, in chunks of 16 ranks,
 * and the mask m lets each row see its own chunks alone. So the adapters' weights are there once, however many rows use them:
 *   lora.{product}.mask             float [chunks, batch_size, 1]    1 where the chunk is the row's adapter's, else 0
 *   lora.{layer}.{product}.a        float [chunks, columns, 16]
 *   lora.{layer}.{product}.b        float [chunks * 16, rows]
 *   lora.shape                      int64 [3]                        batch_size, sequence_length, -1
 *
 * Sameness: a row's bits depend neither on the other rows nor on their adapters. A chunk is a product of its own of width 16, because ONNX Runtime
 * divides the sum over the columns into pieces whose length depends on the width, down to 16. The factor 2 keeps it from a kernel
 * that it has for single rows alone, whose rounding differs. Another adapter's chunks add zeros, which change nothing.
 */
import type { ModelConfig } from '../models/model-config.ts'
import { encodeInitializer, encodeNode, encodeValueInfo, field, type Node, type OnnxType } from './onnx-writer.ts'
import { type ProtobufField, protobufFields } from './protobuf-fields.ts'

/** The fused products of a layer, by the names of their outputs: q, k and v; the attention's output; gate and up; down. */
export const PRODUCTS = ['qkv', 'projected', 'gate_up', 'down'] as const
export type Product = (typeof PRODUCTS)[number]

/** Ranks per chunk. */
export const CHUNK_RANKS = 16

export type LoraGraph = {
  /** Outputs and inputs of each product. */
  rows: Record<Product, number>
  columns: Record<Product, number>
  /** The bytes of a model with inputs for adapters of these products. */
  withAdapters(products: readonly Product[]): Uint8Array
}

/** Field numbers of onnx.proto. */
const MODEL_GRAPH = 7
const GRAPH_NODE = 1
const GRAPH_INITIALIZER = 5
const GRAPH_INPUT = 11
const NODE_INPUT = 1
const NODE_OUTPUT = 2
const NODE_NAME = 3
const NODE_OP = 4
const TENSOR_DIMS = 1
const TENSOR_NAME = 8

type GraphShape = Pick<ModelConfig, 'layers' | 'hiddenSize' | 'heads' | 'headDim'>

/**
 * @param model the bytes of model.onnx
 * @throws Error for a graph that does not name its products as our importer does
 */
export function openLoraGraph(model: Uint8Array, { layers, hiddenSize, heads, headDim }: GraphShape): LoraGraph {
  const modelFields = protobufFields(model)
  const graph = protobufFields(modelFields.find(({ number }) => number === MODEL_GRAPH)?.bytes ?? new Uint8Array())
  const nodes = new Map(
    graph
      .filter(({ number }) => number === GRAPH_NODE)
      .map(({ bytes }) => {
        const node = readNode(bytes)
        return [node.outputs[0], node]
      }),
  )
  const rows = rowsOfProducts(graph)
  const columns = {
    qkv: hiddenSize,
    projected: heads * headDim,
    gate_up: hiddenSize,
    down: Math.floor(rows.gate_up / 2),
  }

  function withAdapters(products: readonly Product[]): Uint8Array {
    const left = new Map<string, { layer: number; product: Product }>()
    for (let layer = 0; layer < layers; layer++) {
      for (const product of products) left.set(`layer.${layer}.${product}`, { layer, product })
    }
    const inputs = [
      input('lora.shape', 'int64', [3]),
      ...products.map((product) => input(`lora.${product}.mask`, 'float', [`${product}.chunks`, 'batch_size', 1])),
    ]
    const content = graph.flatMap(({ number, bytes, raw }) => {
      const output = number === GRAPH_NODE ? readNode(bytes).outputs[0] : undefined
      const target = left.get(output ?? '')
      if (output === undefined || target === undefined) return [raw]
      left.delete(output)
      const { layer, product } = target
      inputs.push(
        input(`lora.${layer}.${product}.a`, 'float', [`${product}.chunks`, columns[product], CHUNK_RANKS]),
        input(`lora.${layer}.${product}.b`, 'float', [`${product}.ranks`, rows[product]]),
      )
      return [renamed(bytes, `${output}.base`), ...adapterNodes(multiplied(output), output, layer, product)]
    })
    const [missing] = left.keys()
    if (missing !== undefined) throw new Error(`The model's graph has no product ${missing}.`)
    const constants = products.map((product) => flatShape(product, columns[product]))
    const changed = field(MODEL_GRAPH, Buffer.concat([...content, ...constants, ...inputs]))
    return Buffer.concat(modelFields.map(({ number, raw }) => (number === MODEL_GRAPH ? changed : raw)))
  }

  /** What a product multiplies: behind a correction, a bias, or several pieces lies the multiplication itself. */
  function multiplied(output: string): string {
    let node = nodes.get(output)
    while (node?.op === 'Add' || node?.op === 'Concat') node = nodes.get(node.inputs[0])
    const first = node?.inputs[0]
    if (first === undefined) throw new Error(`${output} is not a product of weights.`)
    return first
  }

  return { rows, columns, withAdapters }
}

function adapterNodes(from: string, output: string, layer: number, product: Product): Buffer[] {
  const at = `lora.${layer}.${product}`
  const contrib = { domain: 'com.microsoft' } as const
  const nodes: Node[] = [
    { op: 'Reshape', inputs: [from, `lora.${product}.flat`], outputs: [`${at}.flat`] },
    {
      ...contrib,
      ...{ op: 'FusedMatMul', inputs: [`${at}.flat`, `${at}.a`], outputs: [`${at}.low`] },
      attributes: { alpha: { float: 2 } },
    },
    { op: 'Mul', inputs: [`${at}.low`, `lora.${product}.mask`], outputs: [`${at}.own`] },
    // Chunks [chunks, batch * sequence, 16] side by side.
    { op: 'Transpose', inputs: [`${at}.own`], outputs: [`${at}.turned`], attributes: { perm: [1, 0, 2] } },
    { op: 'Reshape', inputs: [`${at}.turned`, 'lora.shape'], outputs: [`${at}.ranks`] },
    {
      ...contrib,
      ...{ op: 'FusedMatMul', inputs: [`${at}.ranks`, `${at}.b`], outputs: [`${at}.change`] },
      attributes: { alpha: { float: 0.5 } },
    },
    { op: 'Add', inputs: [`${output}.base`, `${at}.change`], outputs: [output] },
  ]
  return nodes.map((node) => field(GRAPH_NODE, encodeNode(node)))
}

function input(name: string, type: OnnxType, dims: (number | string)[]): Buffer {
  return field(GRAPH_INPUT, encodeValueInfo({ name, type, dims }))
}

/** [1, batch * sequence, columns] */
function flatShape(product: Product, columns: number): Buffer {
  const values = BigInt64Array.from([1n, -1n, BigInt(columns)])
  const data = new Uint8Array(values.buffer)
  return field(GRAPH_INITIALIZER, encodeInitializer({ name: `lora.${product}.flat`, type: 'int64', dims: [3], data }))
}

/** From the shapes of the first layer's weights, which are [rows, ..] and may come in several pieces. */
function rowsOfProducts(graph: readonly ProtobufField[]): Record<Product, number> {
  const rows = { qkv: 0, projected: 0, gate_up: 0, down: 0 }
  for (const { number, bytes } of graph) {
    if (number !== GRAPH_INITIALIZER) continue
    const tensor = protobufFields(bytes)
    const name = textsOf(tensor, TENSOR_NAME)[0] ?? ''
    const found = /^layer\.0\.(\w+)(?:\.\d+)?\.weight\.(?:integers|values)$/.exec(name)?.[1]
    const product = PRODUCTS.find((known) => known === found)
    if (product !== undefined) rows[product] += tensor.find((part) => part.number === TENSOR_DIMS)?.value ?? 0
  }
  return rows
}

function readNode(bytes: Uint8Array) {
  const fields = protobufFields(bytes)
  const [op] = textsOf(fields, NODE_OP)
  return { op, inputs: textsOf(fields, NODE_INPUT), outputs: textsOf(fields, NODE_OUTPUT) }
}

const textsOf = (fields: readonly ProtobufField[], number: number) =>
  fields.filter((part) => part.number === number).map(({ bytes }) => Buffer.from(bytes).toString())

/** The node with another name for its first output, and for itself, since it was named after it. */
function renamed(node: Uint8Array, output: string): Buffer {
  const fields = protobufFields(node)
  const first = fields.find(({ number }) => number === NODE_OUTPUT)
  const parts = fields.map((part) => {
    if (part.number === NODE_NAME) return field(NODE_NAME, output)
    return part === first ? field(NODE_OUTPUT, output) : part.raw
  })
  return field(GRAPH_NODE, Buffer.concat(parts))
}
