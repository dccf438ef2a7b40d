/**
 * The engine's own process: a mistake in native code ends it, not the server. Started by engine-client.ts with one JSON argument;
 * ends when the parent goes away.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readAdapter } from '../adapters/read-adapter.ts'
import { openLoraGraph } from '../import/lora-graph.ts'
import { GRAPH_FILE } from '../models/model-config.ts'
import { forgetting, keepingOf } from './adapter-prefixes.ts'
import { type AdapterStore, createAdapterStore } from './adapter-store.ts'
import { openDecoder } from './decoder.ts'
import type { EngineOptions, EngineRequest, FromEngine, StepReport, ToEngine } from './engine-messages.ts'
import { createGrammars } from './grammar/grammars.ts'
import { readModelConfig } from './model-folder.ts'
import { ortRoot } from './ort-library.ts'
import { createPrefixStore } from './prefix-store.ts'
import { createSampler } from './sampler.ts'
import { createScheduler, rowsFor } from './scheduler.ts'

function send(message: FromEngine) {
  process.send?.(message)
}

async function main() {
  // Sound because the only parent is engine-client.ts, which writes this argument from the same type.
  const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions
  const started = performance.now()
  const config = readModelConfig(options.folder)
  const rows = rowsFor(options.slots)
  const decoder = openDecoder({ ...options, config, rows, chunkTokensMax: options.chunkTokens })
  // The first run of a kind allocates: let no caller wait for it.
  await decoder.prefill({ row: 0, tokens: [0, 0], start: 0, count: 2, position: 0, logits: 'last' })
  await decoder.decode(2, [0, 0], [0, 0])

  const prefixes = createPrefixStore(decoder, options.prefixCacheBytes)
  const adapters = createAdapterStore(forgetting(decoder, prefixes), (folder) =>
    readAdapter(folder, config, openLoraGraph(readFileSync(join(options.folder, GRAPH_FILE)), config)),
  )
  const loaded = []
  for (const source of options.adapters ?? []) loaded.push(await adapters.load(source))

  const grammars = createGrammars({
    ...{ folder: options.folder, vocabSize: config.vocabSize, eosTokenIds: config.eosTokenIds },
    log: (line) => process.stderr.write(`inference engine: ${line}\n`),
  })
  const scheduler = createScheduler(decoder, createSampler(config.vocabSize), {
    ...options,
    grammars,
    store: keepingOf(adapters.isThere, prefixes),
    now: () => performance.now(),
    report: (step) => report(step, adapters),
  })
  scheduler.failed.then((cause) => fail(cause))

  // Sound for the same reason: engine-client.ts is the only sender.
  process.on('message', async (message: ToEngine) => {
    if (message.type === 'generate') scheduler.submit(withAdapterKey(message.request, adapters))
    else if (message.type === 'cancel') {
      // No run that starts after this has the request's row.
      scheduler.cancel(message.id)
      adapters.release(message.id)
    } else if (message.type === 'unload_adapter') adapters.unload(message.name)
    else if (message.type === 'load_adapter') send({ type: 'adapter', result: await adapters.load(message.source) })
    else send({ type: 'compiled', id: message.id, result: await grammars.check(message.grammar) })
  })
  send({ type: 'ready', ortVersion: ortRoot.version, loadMs: performance.now() - started, adapters: loaded })
}

function withAdapterKey(request: EngineRequest, adapters: AdapterStore): EngineRequest {
  const { id, adapter = null } = request
  return adapter === null ? request : { ...request, adapter: adapters.hold(id, adapter) }
}

function report(step: StepReport, adapters: AdapterStore) {
  for (const [id] of step.ended) adapters.release(id)
  for (const id of step.failed ?? []) adapters.release(id)
  send({ type: 'step', step })
}

/** The parent restarts the process; whoever was being served is told by it. */
function fail(cause: unknown) {
  const message = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
  process.stderr.write(`inference engine: ${message}\n`)
  process.exit(1)
}

process.on('disconnect', () => process.exit(0))
// Signals reach the whole process group; only the parent decides when the engine stops, after the answers in flight.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
main().catch(fail)
