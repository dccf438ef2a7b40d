/**
 * Binds the adapters of a run's rows to the graph's extra inputs (import/lora-graph.ts): the weights of all adapters in the batch once,
 * side by side, and a mask that says which row sees which. Weights are bound anew only when the set of adapters changes.
 */
import type { PackedAdapter, PackedLayer, PackedProduct } from '../adapters/packed-adapter.ts'
import { CHUNK_RANKS, type LoraGraph, type Product } from '../import/lora-graph.ts'
import type { RunShape } from './graph-runs.ts'
import { floats, int64s } from './native-memory.ts'
import type { OrtBinding } from './ort-session.ts'

export type LoraInputs = {
  /** @throws Error when a row's adapter is not there */
  bind(run: RunShape): void
  /** Lets go of an adapter's weights wherever they are still bound. Not during a run. */
  forget(key: string): void
}

export type LoraInputsOptions = {
  adapters: ReadonlyMap<string, PackedAdapter>
  products: readonly Product[]
  layers: number
  graph: Pick<LoraGraph, 'rows' | 'columns'>
}

/** One product's weights of several adapters: `owners[i]` is whose chunk i is, null for one of zeros. */
type Layout = { name: string; owners: (string | null)[]; layers: PackedLayer[] }

type Bound = {
  shape: BigInt64Array<ArrayBuffer>
  products: Map<Product, { layout: Layout; mask: Float32Array<ArrayBuffer> }>
}

export function openLoraInputs({ adapters, products, layers, graph }: LoraInputsOptions): LoraInputs {
  const bound = new Map<OrtBinding, Bound>()
  /** The last layout of several adapters, by product: batches change more often than the adapters in them. */
  const joined = new Map<Product, Layout>()
  const empty = new Map(products.map((product) => [product, emptyLayout(product)]))

  function emptyLayout(product: Product): Layout {
    const a = floats(graph.columns[product] * CHUNK_RANKS)
    const b = floats(CHUNK_RANKS * graph.rows[product])
    return { name: '', owners: [null], layers: new Array<PackedLayer>(layers).fill({ a, b }) }
  }

  function layoutOf(product: Product, keys: readonly string[]): Layout {
    const parts: { key: string; packed: PackedProduct }[] = []
    for (const key of keys) {
      const packed = adapters.get(key)?.products.get(product)
      if (packed !== undefined) parts.push({ key, packed })
    }
    // Powers of two, largest first: none lies across a boundary at which the kernel begins a new partial sum.
    parts.sort((one, other) => other.packed.chunks - one.packed.chunks || (one.key < other.key ? -1 : 1))
    const name = parts.map(({ key }) => key).join(' ')
    const known = joined.get(product)
    if (known?.name === name) return known
    const owners = parts.flatMap(({ key, packed }) => new Array<string>(packed.chunks).fill(key))
    const [first] = parts
    if (first === undefined) return empty.get(product) ?? emptyLayout(product)
    if (parts.length === 1) return { name, owners, layers: first.packed.layers }
    const layout = { name, owners, layers: joinLayers(parts.map(({ packed }) => packed.layers)) }
    joined.set(product, layout)
    return layout
  }

  function bindLayout(binding: OrtBinding, product: Product, layout: Layout) {
    const chunks = layout.owners.length
    for (const [layer, { a, b }] of layout.layers.entries()) {
      binding.input(`lora.${layer}.${product}.a`, a, [chunks, graph.columns[product], CHUNK_RANKS])
      binding.input(`lora.${layer}.${product}.b`, b, [chunks * CHUNK_RANKS, graph.rows[product]])
    }
  }

  function openBound(binding: OrtBinding): Bound {
    const state: Bound = { shape: int64s(3), products: new Map() }
    state.shape[2] = -1n
    binding.input('lora.shape', state.shape, [3])
    bound.set(binding, state)
    return state
  }

  function bindProduct(state: Bound, run: RunShape, product: Product, keys: readonly string[]) {
    const { binding, rows } = run
    const layout = layoutOf(product, keys)
    const chunks = layout.owners.length
    let place = state.products.get(product)
    if (place?.layout.name !== layout.name) {
      bindLayout(binding, product, layout)
      place = { layout, mask: floats(chunks * rows) }
      binding.input(`lora.${product}.mask`, place.mask, [chunks, rows, 1])
      state.products.set(product, place)
    }
    for (const [chunk, owner] of layout.owners.entries()) {
      for (let row = 0; row < rows; row++) {
        place.mask[chunk * rows + row] = owner !== null && run.adapters[row] === owner ? 1 : 0
      }
    }
  }

  return {
    bind(run) {
      const keys = [...new Set(run.adapters)].filter((key) => key !== null)
      const missing = keys.find((key) => !adapters.has(key))
      if (missing !== undefined) throw new Error(`The adapter ${missing} is not loaded.`)
      const state = bound.get(run.binding) ?? openBound(run.binding)
      state.shape[0] = BigInt(run.rows)
      state.shape[1] = BigInt(run.tokens)
      for (const product of products) bindProduct(state, run, product, keys)
    },
    forget(key) {
      for (const [product, { owners }] of joined) if (owners.includes(key)) joined.delete(product)
      for (const [binding, state] of bound) {
        for (const [product, { layout }] of state.products) {
          if (!layout.owners.includes(key)) continue
          const nothing = empty.get(product) ?? emptyLayout(product)
          bindLayout(binding, product, nothing)
          // The mask's shape no longer fits: the next run binds both.
          state.products.delete(product)
        }
      }
    },
  }
}

/** Per layer one A and one B after the other: chunks are the outermost dimension of both. */
function joinLayers(parts: PackedLayer[][]): PackedLayer[] {
  const count = parts[0]?.length ?? 0
  return Array.from({ length: count }, (_, layer) => {
    const pieces = parts.flatMap((layers) => layers[layer] ?? [])
    return { a: concat(pieces.map(({ a }) => a)), b: concat(pieces.map(({ b }) => b)) }
  })
}

function concat(arrays: Float32Array[]): Float32Array<ArrayBuffer> {
  const all = floats(arrays.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const array of arrays) {
    all.set(array, at)
    at += array.length
  }
  return all
}
