/** The whole server: listens at once, loads the model, serves until it is stopped. For main.ts, and for tests in their own process. */
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { type Announcer, startAnnouncer } from '../announce/announcer.ts'
import { watchMachine } from '../announce/machine-load.ts'
import { serverHeartbeat } from '../announce/server-heartbeat.ts'
import { openEmbeddingService } from '../embedding/embedding-service.ts'
import { type EngineClientOptions, startEngine } from '../engine/engine-client.ts'
import { systemFingerprint } from '../engine/fingerprint.ts'
import { planMemory, tokenBytes } from '../engine/memory-plan.ts'
import { readModelConfig, weightsBytes } from '../engine/model-folder.ts'
import type { Settings } from '../settings.ts'
import { compileChatTemplate } from '../text/chat-template.ts'
import { createEncoder } from '../text/encoder.ts'
import { loadTokenizer } from '../text/tokenizer.ts'
import { warnOfOtherBase } from './adapters.ts'
import { watchConnections } from './connections.ts'
import { createHttpServer } from './http-server.ts'
import { ROUTES, SAGEMAKER_ROUTES } from './routes.ts'
import { createServerMetrics } from './server-metrics.ts'
import type { Server, Serving } from './serving.ts'

/** For the last bytes to a slow reader, after its answer has ended. */
const LAST_WORDS_MS = 1_000
/** How old what /metrics says of the machine is at most. */
const LOOK_EVERY_MS = 5_000

export type RunningServer = {
  /** Of this machine, with the port that was taken. */
  url: string
  /** Loads an imported model's folder. Rejects when the engine cannot. */
  serve(folder: string): Promise<Serving>
  /** Fetches and loads the embedding model now instead of at its first use. False when it cannot, which the log explains. */
  startEmbeddings(): Promise<boolean>
  /** Takes no more connections, lets answers in flight end for `graceMs`, then hands them back: an error event ends them. */
  stop(graceMs: number): Promise<void>
}

/** Rejects when the address is taken, or the embedding model is none. */
export async function startServer(settings: Settings, log: (line: string) => void): Promise<RunningServer> {
  const metrics = createServerMetrics()
  const { model, batchMax, waitMs } = settings.embedding
  const embeddings =
    model === 'none'
      ? null
      : openEmbeddingService({
          ...{ model, batchMax, waitMs, threads: settings.threads, spinUs: settings.spinUs },
          ...{ onBatch: metrics.embeddingBatch, log },
        })
  const server: Server = {
    serving: null,
    embeddings,
    isStopping: false,
    isDraining: false,
    metrics,
    machine: watchMachine(),
  }
  const routes = settings.sagemaker ? [...ROUTES, ...SAGEMAKER_ROUTES] : ROUTES
  const http = createHttpServer({ server, routes, access: settings.access, log })
  const connections = watchConnections(http)
  const stopLooking = every(LOOK_EVERY_MS, () => void server.machine.look())
  let announcer: Announcer | undefined
  await new Promise<void>((listening, reject) => {
    http.once('error', reject)
    http.listen(settings.port, settings.host, () => listening())
  })
  // Sound because a TCP server that listens has an address with a port.
  const { port } = http.address() as AddressInfo

  return {
    url: `http://${settings.host.includes(':') ? `[${settings.host}]` : settings.host}:${port}`,
    async serve(folder) {
      const config = readModelConfig(folder)
      const { queueMax, threads, spinUs, chunkTokens, chunkMs, batchInvariant, adaptersDir } = settings
      const context = Math.min(settings.context, config.contextLength)
      if (settings.adapters.some(({ name }) => name === config.name)) {
        throw new Error(`An adapter cannot be called ${config.name}, which is the model's name.`)
      }
      const { slots, prefixCacheBytes } = planMemory(settings, {
        availableBytes: process.availableMemory(),
        weightsBytes: weightsBytes(folder),
        rowBytes: context * tokenBytes(config),
      })
      const engineOptions: EngineClientOptions = {
        ...{ folder, slots, context, threads, spinUs, chunkTokens, chunkMs, batchInvariant, prefixCacheBytes },
        adapters: settings.adapters.map(({ name, path }) => ({ name, folder: resolve(path) })),
      }
      const engine = startEngine({ ...engineOptions, onStep: metrics.step, log })
      const [tokenizer, { ortVersion }] = await Promise.all([loadTokenizer(folder), engine.ready]).catch(
        async (cause: unknown) => {
          await engine.stop()
          throw cause
        },
      )
      for (const adapter of engine.adapters.list()) warnOfOtherBase(adapter, config.name, log)
      const bosToken = textOf(config.bosTokenId)
      const eosToken = textOf(config.eosTokenIds[0] ?? null)
      function textOf(id: number | null) {
        return id === null ? '' : tokenizer.decode([id], { keepSpecialTokens: true })
      }
      server.serving = {
        ...{ modelName: config.name, created: Math.floor(Date.now() / 1_000), context, slots, queueMax },
        ...{ bosTokenId: config.bosTokenId, eosTokenIds: config.eosTokenIds, tokenizer, engine, metrics },
        ...{ adaptersDir, log },
        encoder: createEncoder(folder, tokenizer),
        fingerprint: systemFingerprint(config.weightsSha256, ortVersion, batchInvariant),
        template: compileChatTemplate(config.chatTemplate, { bosToken, eosToken }, tokenizer.shield),
      }
      if (settings.announce) {
        const { edgeUrl, secret } = settings.announce
        const heartbeat = serverHeartbeat(server, settings.announce, Date.now)
        announcer = startAnnouncer({ edgeUrl, secret, heartbeat, fetch, nowMs: Date.now, every, log })
      }
      return server.serving
    },
    startEmbeddings: async () => embeddings === null || embeddings.start(),
    async stop(graceMs) {
      stopLooking()
      // First of all, so that nobody is sent here who would be refused.
      await announcer?.leave()
      server.isStopping = true
      const closed = new Promise<void>((done) => http.close(() => done()))
      connections.closeUnused()
      const handBack = setTimeout(() => {
        // Streams end with an error event, which tells the caller to go on elsewhere from what it has.
        // A server whose chat model never came has connections to close all the same.
        const ended = Promise.all([server.serving?.engine.stop(), embeddings?.stop()])
        ended.then(() => setTimeout(() => http.closeAllConnections(), LAST_WORDS_MS))
      }, graceMs)
      await closed
      clearTimeout(handBack)
      await Promise.all([server.serving?.engine.stop(), server.serving?.encoder.stop(), embeddings?.stop()])
    },
  }
}

function every(ms: number, call: () => void): () => void {
  const timer = setInterval(call, ms)
  // It keeps no process alive.
  timer.unref()
  return () => clearInterval(timer)
}
