/** The child's side of call-process.ts: opens what it serves, then answers each call with one reply. Ends when its parent goes away. */

export type ToChild = { id: number; call: unknown }
/** `error` instead of `reply` where the call failed. */
export type FromChild = { type: 'ready' } | { type: 'reply'; id: number; reply?: unknown; error?: string }

/**
 * @param open loads what is served, given the parent's argument; if it throws, the process ends and the parent tries again
 * @typeParam Argument what the parent was given, and Call what it sends: it is ours, so nobody checks
 */
export function answerCalls<Argument, Call>(open: (argument: Argument) => Promise<(call: Call) => Promise<unknown>>) {
  process.on('disconnect', () => process.exit(0))
  // Signals reach the whole process group; only the parent decides when this process stops, after the answers in flight.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  open(JSON.parse(process.argv[2] ?? 'null')).then((answer) => {
    process.on('message', async ({ id, call }: ToChild) => {
      send(
        await answer(call as Call).then(
          (reply) => ({ type: 'reply', id, reply }),
          (error) => ({ type: 'reply', id, error: error instanceof Error ? error.message : String(error) }),
        ),
      )
    })
    send({ type: 'ready' })
  }, end)
}

function send(message: FromChild) {
  process.send?.(message)
}

function end(cause: unknown) {
  process.stderr.write(`${cause instanceof Error ? (cause.stack ?? cause.message) : cause}\n`)
  process.exit(1)
}
