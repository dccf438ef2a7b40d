/**
 * One stream of an answer, whoever gives it: when its deployment dies, another goes on where it stopped. What was sent is never sent
 * again, what comes is passed on as it comes, and a target that cannot go on is nobody's error but ours.
 */
import type { Deployment, ModelEvent, ModelEventStream, Route } from '../../chat/ports.ts'
import type { Join } from '../../contract/chat-completion.ts'
import { AppError, type ErrorCode, toAppError } from '../../errors.ts'
import { type Opened, openSomewhere, type RequestCalls, type Way } from '../open-somewhere.ts'
import { type JoinedEvents, joinedEvents } from './joined-events.ts'
import { said as emptySaid, type Said, tokensOf } from './said.ts'
import { waysOn } from './ways-on.ts'
import { type Part, wholeUsage } from './whole-usage.ts'

type Options = {
  request: RequestCalls
  opened: Opened
  /** As it was first asked. */
  call: Way['call']
  route: Route
  /** Asked anew when somebody has died. */
  candidates: () => readonly Deployment[]
}

/** Ends of a stream after which another deployment can go on. */
const DEATHS: ReadonlySet<ErrorCode> = new Set([
  'upstream_interrupted',
  'upstream_timeout',
  'upstream_unavailable',
  'upstream_overloaded',
  'upstream_rate_limited',
])

type Step = IteratorResult<readonly ModelEvent[], undefined>

type Segment = {
  opened: Opened
  source: AsyncIterator<readonly ModelEvent[]>
  /** Undefined for the first, whose events pass as they are. */
  joined: JoinedEvents | undefined
  part: Part | undefined
}

/** By hand rather than as a generator: `return` must reach the model while `next` still waits. */
export function unbroken({ request, opened, call, route, candidates }: Options): ModelEventStream {
  const { signal, ledger } = request
  const choices = call.request.body.n ?? 1
  // Nobody to go on: nothing need be remembered.
  const said: Said | undefined =
    route.targets.length > 1 && route.continueBy.length > 0 ? emptySaid(choices) : undefined
  const parts: Part[] = []
  const joins = new Map<number, Join[]>()
  let model = opened.deployment.model
  let segment: Segment = segmentOf(opened)
  /** Who died last. */
  let from = opened.deployment
  let state: 'running' | 'ended' | 'left' = 'running'

  function segmentOf(of: Opened, joined?: JoinedEvents, part?: Part): Segment {
    return { opened: of, source: of.events[Symbol.asyncIterator](), joined, part }
  }

  function hangUp(): void {
    state = 'left'
    signal.removeEventListener('abort', hangUp)
    segment.opened.record.end({ code: 'caller_gone' })
  }
  // A caller who is gone may never ask for the next event.
  signal.addEventListener('abort', hangUp, { once: true })

  function finish(): void {
    if (state === 'running') state = 'ended'
    signal.removeEventListener('abort', hangUp)
  }

  /** Resolves when another deployment has taken up what is left. Rejects with what ended the answer. */
  async function goOn(death: AppError, so: Said): Promise<void> {
    const nothingSaid = so.isEmpty()
    const [left] = so.unfinished()
    if (left === undefined) throw death
    const { index } = left
    const before = { tokens: tokensOf(left), text: left.text }
    const whole: Way[] = [{ call }]
    let next: Opened
    try {
      next = await openSomewhere(request, {
        candidates: candidates(),
        kind: 'continuation',
        waysOf: (target) =>
          nothingSaid ? whole : waysOn({ call, said: so, model, continueBy: route.continueBy }, index, target),
        patienceMs: from.timeouts.betweenTokens,
      })
    } catch (thrown) {
      // The caller hears of the death, not of those who could not help.
      throw toAppError(thrown).code === 'caller_gone' ? thrown : death
    }
    if (state === 'left') {
      next.record.end({ code: 'caller_gone' })
      await next.events[Symbol.asyncIterator]().return?.()
      throw callerGone()
    }
    const { deployment, way } = next
    const { by } = way
    if (nothingSaid) {
      if (deployment.model !== model) so.forgetPromptIds()
      model = deployment.model
      segment = segmentOf(
        next,
        joinedEvents({ said: so, index: undefined, trims: undefined, keepsIds: true, joins: [] }),
      )
      return
    }
    const ofChoice = joins.get(index) ?? []
    if (by) ofChoice.push({ from: from.id, to: deployment.id, by })
    joins.set(index, ofChoice)
    const part: Part = { index, by, before, usage: undefined }
    parts.push(part)
    const joined = joinedEvents({
      said: so,
      index,
      trims: by === 'instruct' && call.request.kind === 'chat' ? left.text : undefined,
      keepsIds: by === 'token_ids' || (by !== 'instruct' && deployment.model === model),
      joins: ofChoice,
    })
    segment = segmentOf(next, joined, part)
  }

  /** Of every step: no more than what it costs to pass it on. */
  function passOn(step: IteratorResult<readonly ModelEvent[]>): Step | Promise<Step> {
    if (step.done) return partDone()
    const events = segment.joined ? segment.joined.push(step.value) : step.value
    if (events.length === 0) return next()
    said?.add(events)
    return events === step.value ? step : { done: false, value: events }
  }

  /** This deployment has said all that it was asked for. */
  function partDone(): Step | Promise<Step> {
    segment.opened.record.end()
    if (segment.part && segment.joined) segment.part.usage = segment.joined.usage()
    if (said !== undefined && parts.length > 0) {
      if (said.unfinished().length > 0) return goOn(interrupted(), said).then(next, fail)
      const usage = wholeUsageOf(said)
      if (usage) {
        finish()
        return { done: false, value: usage }
      }
    }
    finish()
    return { done: true, value: undefined }
  }

  function died(thrown: unknown): Promise<Step> {
    const death = toAppError(thrown)
    segment.opened.record.end(death)
    if (said === undefined || !DEATHS.has(death.code) || state === 'left') return fail(death)
    from = segment.opened.deployment
    ledger.exclude(from)
    return goOn(death, said).then(next, fail)
  }

  function fail(thrown: unknown): Promise<never> {
    finish()
    return Promise.reject(thrown)
  }

  function next(): Promise<Step> {
    if (state === 'ended') return Promise.resolve({ done: true, value: undefined })
    if (state === 'left') return Promise.reject(callerGone())
    return segment.source.next().then(passOn, died)
  }

  function wholeUsageOf(so: Said): readonly ModelEvent[] | undefined {
    const head = so.head()
    if (head === undefined) return undefined
    const { id, created, object } = head
    const answered = { id, created, object, model: segment.opened.deployment.model }
    // Sound: an event without choices is of either kind.
    return [{ ...answered, choices: [], usage: wholeUsage(so, choices, parts) } as ModelEvent]
  }

  const iterator: AsyncIterator<readonly ModelEvent[], undefined> = {
    next,
    async return() {
      hangUp()
      await segment.source.return?.()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

function interrupted(): AppError {
  return new AppError('upstream_interrupted', 'The model stopped in the middle of its answer.')
}

function callerGone(): AppError {
  return new AppError('caller_gone', 'The caller hung up.')
}
