/**
 * THE sequence of a completion, for both hosts: the Worker (stateless) and a conversation's Durable Object (stateful). The order of
 * the steps is business logic, so they stand here one below the other: what a filter masks never reaches the cache's key, a hit spends
 * nothing, who may not pay never reaches a model. Pure: no HTTP, no bindings, no clock.
 */
import { AppError, toAppError } from '../errors.ts'
import { accountedEvents } from './accounted-events.ts'
import { admit } from './admit.ts'
import type {
  AttemptRecord,
  CacheLook,
  CacheNote,
  CompleteCall,
  CompletePorts,
  Completion,
  ContentFilter,
  FilteredRequest,
  MeterSpan,
  ModelEvent,
  OpenAnswer,
  OpenedAnswer,
  PaidByOthers,
  SharedAnswer,
} from './ports.ts'
import { prepareRequest } from './prepare-request.ts'
import { requestFacts } from './request-facts.ts'
import { requestNote } from './request-note.ts'
import { usageTally } from './usage-tally.ts'
import { withPrompt } from './with-prompt.ts'

/**
 * Resolves when the model has begun to answer, with its first event in hand; before that rejects with an AppError, so that every
 * early failure can become a status (design rules 1 and 2). The caller must read `events` to the end, return early, or abort the
 * signal: each of them settles and meters the completion.
 */
export async function complete(ports: CompletePorts, call: CompleteCall): Promise<Completion> {
  const { principal } = call
  const alias = call.request.body.model

  // 1. Model alias. What the key may not use is not told from what is not there. The meter begins when the isolate knows its models:
  // it gives no label to a name that nobody knows.
  const found = ports.models.routeOf(alias, principal.tenantId)
  if (found instanceof Promise) await found.catch(() => undefined)
  const span = ports.meter.begin(alias, principal, requestNote(call))
  try {
    const route = found instanceof Promise ? await found : found
    if (route === undefined || principal.models?.includes(alias) === false) {
      throw new AppError('model_not_found', 'There is no such model. GET /v1/models lists those there are.', {
        param: 'model',
      })
    }
    span.did?.('alias')

    // 2. Prompt template. No step waits where memory knows the answer: each wait costs, and so does what it keeps alive.
    const writing = withPrompt(ports.prompts, principal.tenantId, call.request)
    const { request: written, prompt } = writing instanceof Promise ? await writing : writing
    span.did?.('prompt')

    // 3. Input filter.
    const finding = ports.filters.of(principal.tenantId)
    const filter = finding instanceof Promise ? await finding : finding
    const { request, flags } = filter ? filter.input(written) : { request: written, flags: [] }
    span.did?.('filter')

    // 4. Cache. A hit needs nothing of what follows.
    const looking = call.caching && ports.cache.look({ principal, alias, request, route, directive: call.caching })
    const look = looking instanceof Promise ? await looking : looking
    span.did?.('cache')
    if (look?.kind === 'hit') return { ...givenAgain(look, filter, flags, span), ...(prompt ? { prompt } : {}) }

    // 5. Limits that need the alias, and the budget, side by side.
    span.waits()
    const admitting = admit(ports, { principal, alias, request, requestId: call.requestId })
    const held = admitting instanceof Promise ? await admitting : admitting
    span.did?.('admission')

    try {
      const { signal } = call
      const calls: AttemptRecord[] = []
      span.asks?.(calls)
      // 6. Upstream attempts, the first event included; or an identical request's answer.
      const open: OpenAnswer = (openSignal) =>
        ports.attempt(
          route,
          {
            ...prepareRequest(request, ports.drawSeed),
            requestId: call.requestId,
            tenantId: principal.tenantId,
            facts: requestFacts(call, request),
            attempts: calls,
          },
          openSignal,
        )
      const { answer, note, paidByOthers } = await openedAnswer(look, open, signal)
      const deployment = { id: answer.deployment.id, model: answer.deployment.model }
      const attempts = answer.attempts ?? []
      span.opened?.({ deployment, cache: note })
      span.firstToken()

      // 7. Settle and meter when the answer ends, however it ends; the output filter sits on top, for what it masks is paid for.
      const accounted = accountedEvents(answer.events, { span, held, paidByOthers, signal })
      return {
        deployment,
        events: filter ? filter.output(accounted.events, accounted.blocked, flags) : accounted.events,
        cache: note,
        ...(prompt ? { prompt } : {}),
        attempts,
      }
    } catch (thrown) {
      held?.release()
      throw thrown
    }
  } catch (thrown) {
    const error = toAppError(thrown)
    span.end({ status: 'error', code: error.code })
    throw error
  }
}

type Opened = { answer: OpenedAnswer; note: CacheNote; paidByOthers: SharedAnswer['paidByOthers'] }

/** A remembered answer is all there: filtered for this caller, metered, and nobody has to read it. */
function givenAgain(
  { answer, ageSeconds }: Extract<CacheLook, { kind: 'hit' }>,
  filter: ContentFilter | undefined,
  flags: FilteredRequest['flags'],
  span: MeterSpan,
): Completion {
  const { deployment } = answer
  const cache: CacheNote = { status: 'hit', ageSeconds }
  span.opened?.({ deployment, cache })
  span.firstToken()
  const { events, isBlocked } = filter
    ? filter.outputWhole(answer.whole, flags)
    : { events: answer.whole, isBlocked: false }
  const tally = usageTally()
  tally.add(answer.whole)
  const usage = tally.usage()
  span.end({
    status: isBlocked ? 'error' : 'success',
    ...(isBlocked ? { code: 'content_blocked' } : {}),
    ...(usage ? { usage } : {}),
  })
  return { deployment, events: inOneBatch(events), whole: events, cache, attempts: [] }
}

async function* inOneBatch(events: readonly ModelEvent[]): AsyncGenerator<readonly ModelEvent[], undefined> {
  yield events
  return undefined
}

async function openedAnswer(
  look: Extract<CacheLook, { kind: 'miss' }> | undefined,
  open: OpenAnswer,
  signal: AbortSignal,
): Promise<Opened> {
  if (look === undefined) {
    return { answer: await open(signal), note: { status: 'bypass' }, paidByOthers: () => NOTHING }
  }
  const { joined, answer, paidByOthers } = await look.share(open, signal)
  return { answer, note: { status: joined ? 'join' : 'miss' }, paidByOthers }
}

const NOTHING: PaidByOthers = { promptTokens: 0, completionTokens: 0 }
