/**
 * THE sequence of a completion, for both hosts: the Worker (stateless) and a conversation's Durable Object (stateful). The order of
 * the steps is business logic, so they stand here one below the other. Pure: no HTTP, no bindings, no clock.
 */
import { AppError, toAppError } from '../errors.ts'
import { meteredEvents } from './metered-events.ts'
import type { CompleteCall, CompletePorts, Completion } from './ports.ts'
import { prepareRequest } from './prepare-request.ts'

/**
 * Resolves when the model has begun to answer, with its first event in hand; before that rejects with an AppError, so that every
 * early failure can become a status (design rules 1 and 2). The caller must read `events` to the end, return early, or abort the
 * signal: each of them settles and meters the completion.
 */
export async function complete(ports: CompletePorts, call: CompleteCall): Promise<Completion> {
  const alias = call.request.body.model

  // 1. Model alias.
  const deployments = ports.models.deploymentsOf(alias)
  const span = ports.meter.begin(alias, call.principal)
  try {
    if (deployments.length === 0) {
      throw new AppError('model_not_found', 'There is no such model. GET /v1/models lists those there are.', {
        param: 'model',
      })
    }

    // 2. The request as every deployment may see it.
    const prepared = prepareRequest(call.request, ports.drawSeed)

    // 3. Upstream attempts, the first event included.
    const { deployment, events } = await ports.attempt(
      deployments,
      { ...prepared, requestId: call.requestId },
      call.signal,
    )
    span.firstToken()

    // 4. Settle and meter when the answer ends, however it ends.
    return {
      deployment: { id: deployment.id, model: deployment.model },
      events: meteredEvents(events, span, call.signal),
    }
  } catch (thrown) {
    const error = toAppError(thrown)
    span.end({ status: 'error', code: error.code })
    throw error
  }
}
