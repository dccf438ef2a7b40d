/**
 * Collects a graph's nodes and tensors, and lays the weights out in one external file, before any weight is read.
 * Each tensor that needs work registers a fill; `finish` runs them one after the other, so that memory holds one piece of one tensor.
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { GRAPH_FILE, WEIGHTS_FILE } from '../models/model-config.ts'
import {
  type Attribute,
  encodeOnnxModel,
  type Initializer,
  type Node,
  type OnnxType,
  type ValueInfo,
} from './onnx-writer.ts'

/** Writes `bytes` at `offset` of the weights file. */
export type WriteWeights = (offset: number, bytes: Uint8Array) => Promise<void>

/** Where a tensor's values lie; two initialisers of different shape may share one region. */
export type Region = { offset: number; byteLength: number }

/** ONNX Runtime maps external weights by page; 4 KiB suits Linux and macOS on x64, and larger pages still work through a copy. */
const REGION_ALIGNMENT = 4_096
/** Shape inference needs small tensors inside the protobuf, and a page for each would be waste. */
const INLINE_BYTES_MAX = 1_024
const BYTES_PER_VALUE: Record<OnnxType, number> = { float: 4, uint8: 1, int32: 4, int64: 8 }

export class GraphBuilder {
  readonly inputs: ValueInfo[] = []
  readonly outputs: ValueInfo[] = []
  readonly #nodes: Node[] = []
  readonly #initializers: Initializer[] = []
  readonly #fills: ((write: WriteWeights) => Promise<void>)[] = []
  #end = 0

  /** Adds a node and returns its first output. */
  node(op: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}): string {
    this.#nodes.push({ op, inputs, outputs, attributes })
    return outputs[0] ?? ''
  }

  /** The same for ONNX Runtime's own operators (domain com.microsoft). */
  contribNode(op: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}): string {
    this.#nodes.push({ op, inputs, outputs, attributes, domain: 'com.microsoft' })
    return outputs[0] ?? ''
  }

  /** A tensor whose values are at hand. Returns its name. */
  constant(name: string, type: OnnxType, dims: number[], values: Float32Array | BigInt64Array | Uint8Array): string {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    if (bytes.length <= INLINE_BYTES_MAX) {
      this.#initializers.push({ name, type, dims, data: bytes })
      return name
    }
    const region = this.reserve(bytes.length)
    this.tensor(name, type, dims, region)
    this.fill((write) => write(region.offset, bytes))
    return name
  }

  /** Room in the weights file. What is never written reads as zeros. */
  reserve(byteLength: number): Region {
    const offset = Math.ceil(this.#end / REGION_ALIGNMENT) * REGION_ALIGNMENT
    this.#end = offset + byteLength
    return { offset, byteLength }
  }

  /** A tensor over a region; the region may be longer than the tensor. Returns its name. */
  tensor(name: string, type: OnnxType, dims: number[], region: Region): string {
    const byteLength = dims.reduce((product, size) => product * size, BYTES_PER_VALUE[type])
    if (byteLength > region.byteLength)
      throw new Error(`${name} needs ${byteLength} bytes and its region has ${region.byteLength}`)
    this.#initializers.push({ name, type, dims, data: { file: WEIGHTS_FILE, offset: region.offset, byteLength } })
    return name
  }

  /** Work to be done when the weights file is open. */
  fill(task: (write: WriteWeights) => Promise<void>): void {
    this.#fills.push(task)
  }

  /** Writes both files into `folder`. `onProgress` gets the share that is done, 0 to 1. */
  async finish(folder: string, producer: string, onProgress: (share: number) => void): Promise<void> {
    const weights = await open(join(folder, WEIGHTS_FILE), 'wx')
    try {
      await weights.truncate(this.#end)
      for (const [index, task] of this.#fills.entries()) {
        await task(async (offset, bytes) => {
          await weights.write(bytes, 0, bytes.length, offset)
        })
        onProgress((index + 1) / this.#fills.length)
      }
      // The folder is renamed into place afterwards: a power cut must not leave a complete name over incomplete bytes.
      await weights.sync()
    } finally {
      await weights.close()
    }
    const graph = await open(join(folder, GRAPH_FILE), 'wx')
    try {
      const { inputs, outputs } = this
      await graph.writeFile(
        encodeOnnxModel({ nodes: this.#nodes, initializers: this.#initializers, inputs, outputs, producer }),
      )
      await graph.sync()
    } finally {
      await graph.close()
    }
  }
}
