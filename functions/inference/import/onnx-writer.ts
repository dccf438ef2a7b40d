/**
 * Writes an ONNX model as protobuf: small tensors inside, weights by reference to a file beside it.
 * Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. External data keeps the protobuf small (its limit is 2 GiB)
 * and lets ONNX Runtime map the weights into memory instead of copying them.
 */

export type OnnxType = 'float' | 'uint8' | 'int32' | 'int64'

/** A number is written as an integer, an array as integers; a float must say so. */
export type Attribute = number | { float: number } | readonly number[]

export type Node = {
  op: string
  /** '' is an input or output that is left out. */
  inputs: readonly string[]
  outputs: readonly string[]
  attributes?: Readonly<Record<string, Attribute>>
  domain?: 'com.microsoft'
}

export type Initializer = {
  name: string
  type: OnnxType
  dims: readonly number[]
  /** Raw little-endian values, or where they lie in the external file. */
  data: Uint8Array | { file: string; offset: number; byteLength: number }
}

/** Named dimensions are symbolic. */
export type ValueInfo = { name: string; type: OnnxType; dims: readonly (number | string)[] }

export type OnnxModel = {
  nodes: readonly Node[]
  initializers: readonly Initializer[]
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  producer: string
}

const IR_VERSION = 10
/** The newest default opset whose operators are all used in their present form. */
const OPSET = 21
const DATA_TYPE: Record<OnnxType, number> = { float: 1, uint8: 2, int32: 6, int64: 7 }
const DATA_LOCATION_EXTERNAL = 1
const ATTRIBUTE_FLOAT = 1
const ATTRIBUTE_INT = 2
const ATTRIBUTE_INTS = 7

/** The bytes of the ModelProto. */
export function encodeOnnxModel(model: OnnxModel): Buffer {
  const graph = Buffer.concat([
    ...model.nodes.map((node) => field(1, encodeNode(node))),
    field(2, 'perigee'),
    ...model.initializers.map((tensor) => field(5, encodeInitializer(tensor))),
    ...model.inputs.map((value) => field(11, encodeValueInfo(value))),
    ...model.outputs.map((value) => field(12, encodeValueInfo(value))),
  ])
  return Buffer.concat([
    integer(1, IR_VERSION),
    field(2, model.producer),
    field(7, graph),
    field(8, Buffer.concat([field(1, ''), integer(2, OPSET)])),
    field(8, Buffer.concat([field(1, 'com.microsoft'), integer(2, 1)])),
  ])
}

export function encodeNode(node: Node): Buffer {
  return Buffer.concat([
    ...node.inputs.map((name) => field(1, name)),
    ...node.outputs.map((name) => field(2, name)),
    // Unique, since outputs are; it is what ONNX Runtime's profile and errors show.
    field(3, `${node.op}_${node.outputs[0] ?? ''}`),
    field(4, node.op),
    ...Object.entries(node.attributes ?? {}).map(([name, value]) => field(5, encodeAttribute(name, value))),
    ...(node.domain ? [field(7, node.domain)] : []),
  ])
}

function encodeAttribute(name: string, value: Attribute): Buffer {
  if (typeof value === 'number') return Buffer.concat([field(1, name), integer(3, value), integer(20, ATTRIBUTE_INT)])
  if (!('float' in value)) {
    return Buffer.concat([field(1, name), ...value.map((item) => integer(8, item)), integer(20, ATTRIBUTE_INTS)])
  }
  const float = Buffer.alloc(4)
  float.writeFloatLE(value.float)
  return Buffer.concat([field(1, name), tag(2, 5), float, integer(20, ATTRIBUTE_FLOAT)])
}

export function encodeInitializer({ name, type, dims, data }: Initializer): Buffer {
  const head = [...dims.map((size) => integer(1, size)), integer(2, DATA_TYPE[type]), field(8, name)]
  if (data instanceof Uint8Array) return Buffer.concat([...head, field(9, data)])
  const entries = { location: data.file, offset: String(data.offset), length: String(data.byteLength) }
  return Buffer.concat([
    ...head,
    ...Object.entries(entries).map(([key, value]) => field(13, Buffer.concat([field(1, key), field(2, value)]))),
    integer(14, DATA_LOCATION_EXTERNAL),
  ])
}

export function encodeValueInfo({ name, type, dims }: ValueInfo): Buffer {
  const shape = Buffer.concat(
    dims.map((size) => field(1, typeof size === 'number' ? integer(1, size) : field(2, size))),
  )
  const tensorType = Buffer.concat([integer(1, DATA_TYPE[type]), field(2, shape)])
  return Buffer.concat([field(1, name), field(2, field(1, tensorType))])
}

export function field(number: number, content: string | Uint8Array): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  return Buffer.concat([tag(number, 2), varint(bytes.length), bytes])
}

function integer(number: number, value: number): Buffer {
  return Buffer.concat([tag(number, 0), varint(value)])
}

function tag(number: number, wireType: number): Buffer {
  return varint(number * 8 + wireType)
}

/** Negative numbers take ten bytes, as two's complement of 64 bits. */
function varint(value: number): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  do {
    const low = Number(rest & 127n)
    rest >>= 7n
    bytes.push(rest ? low | 128 : low)
  } while (rest)
  return Buffer.from(bytes)
}
