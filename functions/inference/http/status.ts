/** What the server says of itself: GET /v1/models, /health, /load, /metrics, and SageMaker's /ping; and POST /drain, which changes it. */
import * as z from 'zod/mini'
import { parse, readJson } from './parse-body.ts'
import { readinessOf } from './readiness.ts'
import type { Handler } from './route.ts'
import { sendJson } from './send-json.ts'
import { type Server, whenServing } from './serving.ts'

export const models: Handler = ({ response, server }) => {
  const { modelName, created, context, engine } = whenServing(server)
  const chat = model(modelName, created, context)
  const adapters = engine.adapters.list().map(({ name }) => ({ ...chat, id: name, parent: modelName }))
  const data = [chat, ...adapters]
  const { embeddings } = server
  if (embeddings) data.push(model(embeddings.name, embeddings.created, embeddings.opened()?.folder.inputTokensMax))
  sendJson(response, 200, { object: 'list', data })
}

/** @param tokensMax that it reads at once; undefined for one that has not been fetched */
const model = (id: string, created: number, tokensMax: number | undefined) => ({
  ...{ id, object: 'model', created, owned_by: 'perigee', max_model_len: tokensMax },
})

/** Liveness: an answer is all it says. A server that loads, drains or has a full queue lives and must not be restarted. */
export const live: Handler = ({ response }) => sendJson(response, 200, { status: 'ok' })

/** Readiness: 200 when a request would be answered, else 503 with the reason. */
export const health: Handler = ({ response, server }) => {
  const { isReady, status } = readinessOf(server)
  sendJson(response, isReady ? 200 : 503, {
    status,
    ready: isReady,
    timestamp: new Date().toISOString(),
    ...(server.serving && { model: server.serving.modelName, system_fingerprint: server.serving.fingerprint }),
  })
}

/** SageMaker wants 200 when invocations may come, and nothing in the body. */
export const ping: Handler = ({ response, server }) => {
  response.writeHead(readinessOf(server).isReady ? 200 : 503, { 'content-length': 0 }).end()
}

/** For a balancer: how much of the server is taken. */
export const load: Handler = ({ response, server }) => {
  const { isReady, status } = readinessOf(server)
  const { queueMax } = server.serving ?? { queueMax: 0 }
  sendJson(response, 200, { ready: isReady, status, ...placesOf(server), queue_max: queueMax })
}

/** How many slots there are, how many run, and how many requests wait for one. */
export function placesOf({ serving }: Server): { slots: number; running: number; waiting: number } {
  const slots = serving?.slots ?? 0
  const inFlight = serving?.engine.inFlight() ?? 0
  const running = Math.min(inFlight, slots)
  return { slots, running, waiting: inFlight - running }
}

const drainSchema = z.strictObject({ on: z._default(z.boolean(), true) })

/** Takes no more requests (503 `draining`) while those in flight end, before the server is taken away; `{"on": false}` takes them again. */
export const drain: Handler = async ({ request, response, server }) => {
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length']) > 0
  server.isDraining = hasBody ? parse(drainSchema, await readJson(request)).on : true
  sendJson(response, 200, { draining: server.isDraining, in_flight: server.serving?.engine.inFlight() ?? 0 })
}

export const metrics: Handler = ({ response, server }) => {
  const { serving } = server
  const machine = server.machine.last()
  const text = server.metrics.text({
    perigee_inference_ready: {
      help: '1 when a request would be answered.',
      value: readinessOf(server).isReady ? 1 : 0,
    },
    perigee_inference_slots: { help: 'Requests that can run at once.', value: serving?.slots ?? 0 },
    perigee_inference_in_flight: {
      help: 'Requests accepted and not ended, waiting ones included.',
      value: serving?.engine.inFlight() ?? 0,
    },
    perigee_inference_engine_restarts: {
      help: 'How often the engine was started again since the server began.',
      value: serving?.engine.restarts() ?? 0,
    },
    perigee_inference_cpu_share: { help: 'Of all cores of the machine, in the last seconds.', value: machine.cpu },
    perigee_inference_memory_used_bytes: {
      help: 'Of the machine or its container.',
      value: machine.memory_used_bytes,
    },
    perigee_inference_memory_total_bytes: {
      help: 'Of the machine or its container.',
      value: machine.memory_total_bytes,
    },
    perigee_inference_gpu_utilization: {
      help: 'Mean of the GPUs, as nvidia-smi tells; 0 where there are none.',
      value: mean(machine.gpus.map(({ utilization }) => utilization)),
    },
    perigee_inference_gpu_memory_used_bytes: {
      help: 'Of all GPUs together.',
      value: machine.gpus.reduce((sum, gpu) => sum + gpu.memory_used_bytes, 0),
    },
    perigee_inference_embedding_waiting: {
      help: 'Inputs that wait to be embedded.',
      value: server.embeddings?.opened()?.engine.waiting() ?? 0,
    },
  })
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text)
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}
