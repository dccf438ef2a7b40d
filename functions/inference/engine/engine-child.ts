/**
 * The engine's own process: a mistake in native code ends it, not the server. Started by engine-client.ts with one JSON argument;
 * ends when the parent goes away.
 */
import { openDecoder } from './decoder.ts'
import type { EngineOptions, FromEngine, ToEngine } from './engine-messages.ts'
import { createGrammars } from './grammar/grammars.ts'
import { readModelConfig } from './model-folder.ts'
import { ortRoot } from './ort-library.ts'
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

  const grammars = createGrammars({
    ...{ folder: options.folder, vocabSize: config.vocabSize, eosTokenIds: config.eosTokenIds },
    log: (line) => process.stderr.write(`inference engine: ${line}\n`),
  })
  const scheduler = createScheduler(decoder, createSampler(config.vocabSize), {
    ...options,
    grammars,
    now: () => performance.now(),
    report: (step) => send({ type: 'step', step }),
  })
  scheduler.failed.then((cause) => fail(cause))

  // Sound for the same reason: engine-client.ts is the only sender.
  process.on('message', async (message: ToEngine) => {
    if (message.type === 'generate') return scheduler.submit(message.request)
    if (message.type === 'cancel') return scheduler.cancel(message.id)
    send({ type: 'compiled', id: message.id, result: await grammars.check(message.grammar) })
  })
  send({ type: 'ready', ortVersion: ortRoot.version, loadMs: performance.now() - started })
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
