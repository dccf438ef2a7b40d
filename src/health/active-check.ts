/** Asks an endpoint whether it is well, without a call of a model: GET, and 2xx is yes. */
import type { LastCheck } from './region-deployment.ts'

const TIMEOUT_MS = 3_000
const BODY_BYTES_MAX = 4_096

/** Never rejects. What our inference server says of itself is read: full and draining are not broken. */
export async function activeCheck(
  url: string,
  fetch: typeof globalThis.fetch,
  nowMs: () => number,
): Promise<LastCheck> {
  const startedAtMs = nowMs()
  const done = (ok: boolean, code: string): LastCheck => ({ atMs: nowMs(), ms: nowMs() - startedAtMs, ok, code })
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json', 'user-agent': 'perigee-health' },
      // Where it leads to is not what was configured.
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (response.ok) {
      await response.body?.cancel()
      return done(true, 'ok')
    }
    const said = await statusSaid(response)
    return said === 'draining' || said === 'queue_full' ? done(true, said) : done(false, `status_${response.status}`)
  } catch (cause) {
    return done(false, cause instanceof Error && cause.name === 'TimeoutError' ? 'timeout' : 'unreachable')
  }
}

/** `{"status": "..."}` of a small body. */
async function statusSaid(response: Response): Promise<string | undefined> {
  if (Number(response.headers.get('content-length') ?? BODY_BYTES_MAX + 1) > BODY_BYTES_MAX) {
    await response.body?.cancel()
    return undefined
  }
  try {
    const body: unknown = await response.json()
    const status = typeof body === 'object' && body !== null && 'status' in body ? body.status : undefined
    return typeof status === 'string' ? status : undefined
  } catch {
    return undefined
  }
}
