/** A PEFT LoRA adapter's folder to the weights that the engine's graph takes. Shapes are checked against the model before anything is read. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { CHUNK_RANKS, type LoraGraph, type Product } from '../import/lora-graph.ts'
import { sha256OfFile } from '../models/file-digest.ts'
import type { ModelConfig } from '../models/model-config.ts'
import { AdapterError } from './adapter-error.ts'
import { type AdapterModule, adapterModules } from './adapter-modules.ts'
import { packA, packB } from './pack-ranks.ts'
import type { PackedAdapter, PackedProduct } from './packed-adapter.ts'
import { type PeftConfig, parsePeftConfig } from './peft-config.ts'
import { openSafetensors, type Safetensors, type TensorInfo } from './safetensors.ts'

export const ADAPTER_CONFIG_FILE = 'adapter_config.json'
export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors'

/** PEFT's own have 2 kB. */
const CONFIG_BYTES_MAX = 1_048_576

export type ReadAdapter = {
  adapter: PackedAdapter
  /** Of both files, lower-case hexadecimal. */
  digest: string
  baseModel: string | null
}

/** Reads and packs an adapter, giving way between tensors. @throws AdapterError; also what the file system says of files that cannot be read */
export async function readAdapter(
  folder: string,
  config: ModelConfig,
  graph: Pick<LoraGraph, 'rows' | 'columns'>,
): Promise<ReadAdapter> {
  const configText = await readBounded(join(folder, ADAPTER_CONFIG_FILE))
  const peft = parsePeftConfig(configText)
  const weightsFile = join(folder, ADAPTER_WEIGHTS_FILE)
  const file = await openSafetensors(weightsFile)
  try {
    const pairs = findPairs(file, peft, config, graph)
    const adapter = await pack(file, pairs, peft, config.layers, graph)
    const digest = createHash('sha256')
      .update(await sha256OfFile(weightsFile))
      .update(configText)
      .digest('hex')
    return { adapter, digest, baseModel: peft.baseModel }
  } finally {
    await file.close()
  }
}

type Pair = { module: AdapterModule; layer: number; a: TensorInfo; b: TensorInfo }

const TENSOR_NAME = /^base_model\.model\.model\.layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight$/

/** The A and B of every module, with nothing left over. */
function findPairs(
  { tensors }: Safetensors,
  { rank }: PeftConfig,
  config: ModelConfig,
  { rows, columns }: Pick<LoraGraph, 'rows' | 'columns'>,
): Pair[] {
  const modules = new Map(adapterModules(config, rows).map((module) => [module.name, module]))
  const pairs: Pair[] = []
  for (const [name, info] of tensors) {
    const [, layerText = '', moduleName = '', part] = TENSOR_NAME.exec(name) ?? []
    const layer = Number(layerText)
    const module = modules.get(moduleName)
    if (part === undefined || module === undefined) {
      throw new AdapterError(`it changes ${name}, and only ${[...modules.keys()].join(', ')} can be changed`)
    }
    if (layer >= config.layers)
      throw new AdapterError(`it changes layer ${layer} of a model with ${config.layers} layers`)
    const expected = part === 'A' ? [rank, columns[module.product]] : [module.rows, rank]
    if (info.shape.join() !== expected.join()) {
      throw new AdapterError(`${name} is [${info.shape}], and for this model at rank ${rank} it would be [${expected}]`)
    }
    const other = tensors.get(name.replace(`lora_${part}`, part === 'A' ? 'lora_B' : 'lora_A'))
    if (other === undefined) throw new AdapterError(`${name} has no counterpart`)
    if (part === 'A') pairs.push({ module, layer, a: info, b: other })
  }
  if (pairs.length === 0) throw new AdapterError('it holds no weights')
  return pairs
}

async function pack(
  file: Safetensors,
  pairs: readonly Pair[],
  { rank, scale }: PeftConfig,
  layers: number,
  graph: Pick<LoraGraph, 'rows' | 'columns'>,
): Promise<PackedAdapter> {
  const adapter: PackedAdapter = { products: new Map() }
  const besideByProduct = modulesByProduct(pairs)
  for (const { module, layer, a, b } of pairs) {
    const { product } = module
    const rowLength = graph.rows[product]
    const columns = graph.columns[product]
    const beside = besideByProduct.get(product) ?? []
    const packed = adapter.products.get(product) ?? emptyProduct(beside.length * rank, layers, columns, rowLength)
    adapter.products.set(product, packed)
    const place = packed.layers[layer]
    if (place === undefined) throw new Error(`There is no layer ${layer}.`)
    const firstRank = beside.indexOf(module.name) * rank
    const values = { a: await file.read(a), b: await file.read(b) }
    if (!isSane(values.a) || !isSane(values.b)) {
      throw new AdapterError('it has weights that are not finite, or absurdly large')
    }
    packA(values.a, { rank, columns, firstRank }, place.a)
    packB(values.b, { rank, module, firstRank, scale, rowLength }, place.b)
  }
  return adapter
}

/** Modules of one product lie side by side, in a fixed order, in all layers alike. */
function modulesByProduct(pairs: readonly Pair[]): Map<Product, string[]> {
  const names = new Map<Product, string[]>()
  for (const { module } of pairs) {
    const known = names.get(module.product) ?? []
    if (!known.includes(module.name)) known.push(module.name)
    names.set(module.product, known.sort())
  }
  return names
}

function emptyProduct(ranks: number, layers: number, columns: number, rows: number): PackedProduct {
  const chunks = 2 ** Math.ceil(Math.log2(Math.ceil(ranks / CHUNK_RANKS)))
  const place = () => ({
    a: new Float32Array(new ArrayBuffer(4 * chunks * columns * CHUNK_RANKS)),
    b: new Float32Array(new ArrayBuffer(4 * chunks * CHUNK_RANKS * rows)),
  })
  return { chunks, layers: Array.from({ length: layers }, place) }
}

/**
 * Of a finetune that works; real weights are below 10. It also keeps one caller's adapter out of the answers of others: what it gives for their
 * rows is multiplied by 0, which is 0 only as long as it is finite.
 */
const WEIGHT_MAX = 1e6

const isSane = (values: Float32Array) => values.every((value) => Math.abs(value) <= WEIGHT_MAX)

async function readBounded(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    if (size > CONFIG_BYTES_MAX) throw new AdapterError(`its configuration has ${size} bytes`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
