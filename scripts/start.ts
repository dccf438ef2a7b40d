/**
 * `npm start`: the inference server and the Worker on this machine, no account needed. Waits until both answer, prints a curl
 * line that works, restarts what crashes, stops everything on Ctrl-C. With `--no-inference` the Worker alone, for somebody else's models.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { applyConfig } from './start/apply-config.ts'
import { applyMigrations } from './start/apply-migrations.ts'
import { banner } from './start/banner.ts'
import { edgeCommand, inferenceCommand, ROOT } from './start/commands.ts'
import { type DevelopmentState, prepareState } from './start/development-state.ts'
import { findModels, type StartModels } from './start/find-models.ts'
import { parseOptions, type StartOptions } from './start/options.ts'
import { isPortFree, untilHealthy } from './start/readiness.ts'
import { withStateLock } from './start/state-lock.ts'
import { type Supervised, supervise } from './start/supervise.ts'
import { watchHealth } from './start/watch-health.ts'

/** The first start compiles nothing and downloads before this clock runs; a minute is many times what both need. */
const READY_WITHIN_MS = 60_000

async function main(): Promise<number> {
  const parsed = parseOptions(process.argv.slice(2))
  if (parsed.kind === 'wrong') {
    console.error(parsed.message)
    return 2
  }
  if (parsed.kind === 'help') {
    console.log(parsed.text)
    return 0
  }
  const options = parsed.options
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 })
  const held = await withStateLock(options.stateDir, () => prepareAndServe(options))
  if (held.kind === 'done') return held.result
  console.error(held.message)
  return 1
}

/** Resolves to the exit code. */
async function prepareAndServe(options: StartOptions): Promise<number> {
  for (const [flag, port] of [
    ['--port', options.port],
    ['--inference-port', options.inferencePort],
  ] as const) {
    if (flag === '--inference-port' && !options.inference) continue
    if (await isPortFree(port)) continue
    console.error(
      `Port ${port} is in use. Stop what listens there, or choose another: npm start -- ${flag} ${port + 100}`,
    )
    return 1
  }

  const found = await findModels(options, process.env)
  if (found.kind === 'wrong') {
    console.error(found.message)
    return 1
  }
  const { models } = found
  const prepared = prepareState(
    options.stateDir,
    { modelName: models.default, inferencePort: options.inferencePort },
    { ...process.env, ...models.secrets },
  )
  if (prepared.kind === 'wrong') {
    console.error(prepared.message)
    return 1
  }
  const migrated = await applyMigrations({
    migrationsDir: join(ROOT, 'migrations'),
    persistDir: prepared.state.persistDir,
    wranglerConfig: join(ROOT, 'wrangler.toml'),
  })
  if (migrated.kind === 'failed') {
    console.error(migrated.message)
    return 1
  }
  return serve(options, prepared.state, models)
}

/** Runs the children until a signal. Resolves to the exit code. */
async function serve(options: StartOptions, state: DevelopmentState, models: StartModels): Promise<number> {
  const logDir = join(options.stateDir, 'logs')
  mkdirSync(logDir, { recursive: true })
  const children: Supervised[] = []
  const say = (line: string) => console.log(line)
  const stopped = Promise.withResolvers<number>()
  let stopping = false
  const stop = (code: number) => {
    if (stopping) return
    stopping = true
    Promise.all(children.map((child) => child.stop())).then(() => stopped.resolve(code))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!stopping) say('\nStopping ...')
      stop(0)
    })
  }

  const start = (name: string, command: ReturnType<typeof edgeCommand>) => {
    const child = supervise({
      name,
      command,
      logFile: join(logDir, `${name}.log`),
      verbose: options.verbose,
      say,
      onGiveUp: (reason) => {
        console.error(reason)
        stop(1)
      },
    })
    children.push(child)
    return child
  }
  const startedAt = performance.now()
  const inference = options.inference ? start('inference', inferenceCommand(options)) : undefined
  const edge = start('edge', edgeCommand(options, state))

  const health = {
    inference: `http://127.0.0.1:${options.inferencePort}/health`,
    edge: `http://127.0.0.1:${options.port}/health`,
  }
  const ready = await Promise.race([
    stopped.promise.then(() => false),
    Promise.all([
      !inference || untilHealthy(health.inference, inference, READY_WITHIN_MS),
      untilHealthy(health.edge, edge, READY_WITHIN_MS),
    ]).then((both) => both.every(Boolean)),
  ])
  if (ready) {
    if (inference) watchHealth(health.inference, inference)
    watchHealth(health.edge, edge)
    const applied = await applyConfig({ url: `http://127.0.0.1:${options.port}`, key: state.key, ...models })
    if (applied.kind === 'refused') {
      console.error(applied.message)
      stop(1)
      return stopped.promise
    }
    const names = [...new Set([...models.aliases, ...applied.models])]
    const seconds = (performance.now() - startedAt) / 1_000
    say(banner({ options, key: state.key, models: names, notes: models.notes, seconds }))
  } else if (!stopping) {
    console.error(`Not ready after ${READY_WITHIN_MS / 1_000} s. What they said is in ${logDir}.`)
    stop(1)
  }
  return stopped.promise
}

process.exitCode = await main()
