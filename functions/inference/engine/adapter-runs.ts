/**
 * Runs of rows with adapters, over a second session whose graph has a place for them. It is opened when the first adapter comes, opened anew
 * when one comes that changes more products, and closed when the last one has gone. Neither touches the session of those who use no adapter,
 * and all of it happens on another thread or between two runs.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PackedAdapter } from '../adapters/packed-adapter.ts'
import { openLoraGraph, PRODUCTS, type Product } from '../import/lora-graph.ts'
import { GRAPH_FILE, type ModelConfig } from '../models/model-config.ts'
import type { Decoder } from './decoder.ts'
import { type GraphRuns, openGraphRuns } from './graph-runs.ts'
import type { KvCache } from './kv-cache.ts'
import { type LoraInputs, openLoraInputs } from './lora-inputs.ts'
import { openSessionFromBytes, type ThreadOptions } from './ort-session.ts'

export type AdapterHost = {
  /** Resolves when runs may name it by `key`, which no other adapter has had before. */
  addAdapter(key: string, adapter: PackedAdapter): Promise<void>
  /** Frees it, after the run in flight. No later run may name it. */
  removeAdapter(key: string): void
}

export type AdapterRunsOptions = ThreadOptions & {
  folder: string
  cache: KvCache
  config: ModelConfig
  context: number
  chunkTokensMax: number
}

export function openAdapterRuns(
  options: AdapterRunsOptions,
): AdapterHost & Pick<Decoder, 'prefill' | 'decode'> & { close(): void } {
  const { folder, config } = options
  const adapters = new Map<string, PackedAdapter>()
  let current: { products: readonly Product[]; runs: GraphRuns; inputs: LoraInputs } | null = null
  /** One adapter is added at a time, so that no two sessions are opened for the same products. */
  let adding: Promise<unknown> = Promise.resolve()
  let addingCount = 0
  let isRunning = false
  let afterRun: (() => void)[] = []

  /** What a run in flight uses must not change under it. */
  function betweenRuns(action: () => void) {
    if (isRunning) afterRun.push(action)
    else action()
  }

  async function running<Result>(run: (runs: GraphRuns) => Promise<Result>): Promise<Result> {
    if (current === null) throw new Error('A run names an adapter, and none is loaded.')
    isRunning = true
    try {
      return await run(current.runs)
    } finally {
      isRunning = false
      const actions = afterRun
      afterRun = []
      for (const action of actions) action()
    }
  }

  async function openFor(wanted: readonly Product[]) {
    const known = current?.products ?? []
    if (wanted.every((product) => known.includes(product))) return
    const products = PRODUCTS.filter((product) => known.includes(product) || wanted.includes(product))
    const graph = openLoraGraph(readFileSync(join(folder, GRAPH_FILE)), config)
    const session = await openSessionFromBytes(graph.withAdapters(products), folder, options)
    const inputs = openLoraInputs({ adapters, products, layers: config.layers, graph })
    const runs = openGraphRuns({ ...options, session, bindMore: inputs.bind })
    betweenRuns(() => {
      current?.runs.close()
      current = { products, runs, inputs }
    })
  }

  return {
    prefill: (chunk) => running((runs) => runs.prefill(chunk)),
    decode: (count, tokens, positions, keys) => running((runs) => runs.decode(count, tokens, positions, keys)),
    addAdapter(key, adapter) {
      addingCount++
      const added = adding.then(async () => {
        try {
          await openFor([...adapter.products.keys()])
          adapters.set(key, adapter)
        } finally {
          addingCount--
        }
      })
      adding = added.catch(() => {})
      return added
    },
    removeAdapter(key) {
      adapters.delete(key)
      betweenRuns(() => {
        if (adapters.size > 0 || addingCount > 0) return current?.inputs.forget(key)
        current?.runs.close()
        current = null
      })
    },
    close() {
      current?.runs.close()
    },
  }
}
