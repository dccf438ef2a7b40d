/** What the server says of itself: GET /v1/models, /health, /metrics, and SageMaker's /ping. */
import type { EngineState } from '../engine/engine-client.ts'
import type { Handler } from './route.ts'
import { sendJson } from './send-json.ts'
import { type Server, whenServing } from './serving.ts'

export const models: Handler = ({ response, server }) => {
  const { modelName, created, context } = whenServing(server)
  const data = [model(modelName, created, context)]
  const { embeddings } = server
  if (embeddings) data.push(model(embeddings.name, embeddings.created, embeddings.opened()?.folder.inputTokensMax))
  sendJson(response, 200, { object: 'list', data })
}

/** @param tokensMax that it reads at once; undefined for one that has not been fetched */
const model = (id: string, created: number, tokensMax: number | undefined) => ({
  ...{ id, object: 'model', created, owned_by: 'perigee', max_model_len: tokensMax },
})

const stateOf = ({ serving, isStopping }: Server): EngineState =>
  isStopping ? 'stopped' : (serving?.engine.state() ?? 'loading')

/** 200 when a request would be answered, else 503; that it answers at all says that the process lives. */
export const health: Handler = ({ response, server }) => {
  const state = stateOf(server)
  const isReady = state === 'ready'
  sendJson(response, isReady ? 200 : 503, {
    status: isReady ? 'ok' : state,
    ready: isReady,
    timestamp: new Date().toISOString(),
    ...(server.serving && { model: server.serving.modelName, system_fingerprint: server.serving.fingerprint }),
  })
}

/** SageMaker wants 200 when invocations may come, and nothing in the body. */
export const ping: Handler = ({ response, server }) => {
  response.writeHead(stateOf(server) === 'ready' ? 200 : 503, { 'content-length': 0 }).end()
}

export const metrics: Handler = ({ response, server }) => {
  const { serving } = server
  const text = server.metrics.text({
    perigee_inference_ready: { help: '1 when requests are answered.', value: stateOf(server) === 'ready' ? 1 : 0 },
    perigee_inference_slots: { help: 'Requests that can run at once.', value: serving?.slots ?? 0 },
    perigee_inference_in_flight: {
      help: 'Requests accepted and not ended, waiting ones included.',
      value: serving?.engine.inFlight() ?? 0,
    },
    perigee_inference_engine_restarts: {
      help: 'How often the engine was started again since the server began.',
      value: serving?.engine.restarts() ?? 0,
    },
    perigee_inference_embedding_waiting: {
      help: 'Inputs that wait to be embedded.',
      value: server.embeddings?.opened()?.engine.waiting() ?? 0,
    },
  })
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(text)
}
