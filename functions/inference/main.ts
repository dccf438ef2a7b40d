/** The inference server's entry: settings, the model, the server, one line when it is ready, and an orderly end. */
import { startServer } from './http/start-server.ts'
import { ensureModel } from './models/ensure-model.ts'
import { modelSource } from './models/model-source.ts'
import { progressWriter } from './models/progress-writer.ts'
import { parseSettings, type Settings } from './settings.ts'

/** Answers in flight get so long to end: less than the 30 s after which orchestrators kill. */
const STOP_GRACE_MS = 20_000

const log = (line: string) => process.stderr.write(`inference: ${line}\n`)

/** @returns the exit status, when there is nothing to serve */
async function main(): Promise<number | undefined> {
  const parsed = parseSettings(process.argv.slice(2), process.env)
  if (parsed.kind === 'help') {
    process.stdout.write(`${parsed.text}\n`)
    return 0
  }
  if (parsed.kind === 'wrong') {
    process.stderr.write(`${parsed.message}\n`)
    return 2
  }
  const { settings } = parsed
  const server = await startServer(settings, log)
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // The second one means now.
      if (stopping) process.exit(1)
      stopping = true
      log(`${signal}: no more connections; answers in flight may end.`)
      server.stop(STOP_GRACE_MS).then(() => process.exit(0))
    })
  }
  const folder = await modelFolder(settings)
  if (folder === null) return 1
  const { modelName, slots, context, fingerprint } = await server.serve(folder)
  if (settings.embedding.start === 'at-start' && !(await server.startEmbeddings())) return 1
  process.stdout.write(
    `inference: ${modelName} answers on ${server.url} (${slots} slots of ${context} tokens, ${settings.threads} threads, ${fingerprint})\n`,
  )
}

/** Null when it cannot be had; the reason has been said. */
async function modelFolder({ model }: Settings): Promise<string | null> {
  const progress = progressWriter(process.stderr)
  const result = await ensureModel({
    ...modelSource(model),
    onProgress: progress.show,
  })
  progress.end()
  if (result.ok) return result.folder
  process.stderr.write(`${result.message}\n`)
  return null
}

main().then(
  (status) => {
    if (status !== undefined) process.exit(status)
  },
  (error: unknown) => {
    log(error instanceof Error ? error.message : String(error))
    process.exit(1)
  },
)
