/**
 * One call of an endpoint, whatever protocol it comes in: who gives it up and why, its time-outs, and what its bytes become. An adapter
 * says how the endpoint is asked; everything that must be the same for all of them is here.
 */
import type { ModelEventStream, UpstreamCall } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import type { ByteReader, Gathering } from './byte-reader.ts'
import { deadline } from './deadline.ts'
import type { ReadEvent } from './model-event.ts'
import { modelStream } from './model-stream.ts'

/** An endpoint that has accepted the request: the bytes of its event stream. */
export type Answering = {
  bytes: ByteReader
  /** How to read once the answer has begun. Undefined: as it comes. */
  gathering: Gathering | undefined
  /** Of protocols that are not OpenAI's. */
  readEvent?: ReadEvent
}

export type Ask = {
  /** How long the endpoint may take until it says anything at all, in milliseconds. */
  answersWithinMs: number
  /**
   * Asks the endpoint, and calls `answered` when it has said anything, be it a refusal. Rejects with an AppError for what the endpoint
   * says; whatever else is thrown means that it cannot be reached. `connection` is aborted when the call is given up.
   */
  ask(connection: AbortSignal, answered: () => void): Promise<Answering>
}

/** Resolves with the first event in hand. Every rejection is an AppError. */
export async function openCall(
  call: UpstreamCall,
  signal: AbortSignal,
  { answersWithinMs, ask }: Ask,
): Promise<ModelEventStream> {
  // Both ends of the call give up through `connection`; `reason` says which of them it was.
  const connection = new AbortController()
  let reason: AppError | undefined
  const giveUp = (why: AppError) => {
    reason ??= why
    connection.abort()
  }
  const onHangUp = () => giveUp(new AppError('caller_gone', 'The caller hung up.'))
  if (signal.aborted) throw new AppError('caller_gone', 'The caller hung up.')
  signal.addEventListener('abort', onHangUp, { once: true })
  const limit = deadline({
    totalMs: call.timeouts.total,
    onExpire: () => giveUp(new AppError('upstream_timeout', 'The model did not answer in time.')),
  })
  const release = () => {
    limit.stop()
    signal.removeEventListener('abort', onHangUp)
  }
  try {
    limit.wait(answersWithinMs)
    const { bytes, gathering, readEvent } = await ask(connection.signal, () => limit.wait(call.timeouts.firstToken))
    return await modelStream({
      bytes,
      gathering,
      readEvent,
      timeouts: call.timeouts,
      choices: call.request.body.n ?? 1,
      limit,
      reason: () => reason,
      close: () => connection.abort(),
      release,
    })
  } catch (thrown) {
    connection.abort()
    release()
    if (reason) throw reason
    if (thrown instanceof AppError) throw thrown
    throw new AppError('upstream_unavailable', 'The model cannot be reached.', { cause: thrown })
  }
}
