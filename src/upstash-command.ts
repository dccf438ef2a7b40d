/**
 * Redis at Upstash: one command a request, over its REST protocol. Not @upstash/redis, which is a sixth of the bundle: every isolate parses
 * it before it answers, whether it is used or not. No pipelines: they put commands of several requests into one call, and one request cannot
 * wait for another's. No retries: who asks has a pace of his own, and what failed may have been done.
 */
export type UpstashCommand = (...parts: readonly (string | number)[]) => Promise<unknown>

/** Rejects with what Upstash says, as `NOSCRIPT ...`, and when it does not answer. `signal` is asked for at each command. */
export function upstashCommand(options: { url: string; token: string; signal?: () => AbortSignal }): UpstashCommand {
  const { url, token, signal } = options
  return async (...parts) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(parts),
      ...(signal && { signal: signal() }),
    })
    // Sound: as its documents have it; anything else has neither.
    const { result, error } = (await response.json()) as { result?: unknown; error?: string }
    if (response.ok && error === undefined) return result
    throw new Error(`Upstash: ${error ?? response.status}`)
  }
}
