/**
 * What the Hub itself says of a file, without fetching it: the answer to HEAD on its address names the file's SHA-256, its length and the commit
 * (X-Linked-Etag, X-Linked-Size, X-Repo-Commit; huggingface_hub's get_hf_file_metadata reads the same).
 */
import type { HubFile } from './hub-file.ts'
import { type HubAccess, hubRefusal, hubRequest, linkedSha256 } from './hub-request.ts'
import { reasonOfFetch, Watchdog } from './watchdog.ts'

/** No other source follows, so a slow line is waited for longer than before a download. */
const ANSWER_TIMEOUT_MS = 15_000
const REDIRECTS_MAX = 5

export type HubMetadata = {
  sha256: string
  byteLength: number
  /** The commit that the revision means now; null where a mirror does not say. */
  commit: string | null
}

export async function readHubMetadata(
  options: HubAccess & { hub: HubFile; fetch: typeof fetch; timeoutMs?: number },
): Promise<{ ok: true; metadata: HubMetadata } | { ok: false; reason: string }> {
  const request = hubRequest(options.hub, options)
  if (typeof request === 'string') return { ok: false, reason: request }
  const watchdog = new Watchdog()
  const timeoutMs = options.timeoutMs ?? ANSWER_TIMEOUT_MS
  let { url } = request
  try {
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      watchdog.restart(timeoutMs, `no answer from ${new URL(url).host} within ${timeoutMs / 1_000} s`)
      const headers = request.headersFor(url)
      headers.set('accept-encoding', 'identity')
      const init = { method: 'HEAD', headers, redirect: 'manual', signal: watchdog.signal } as const
      const response = await options.fetch(url, init)
      const location = response.headers.get('location')
      const isRedirect = response.status >= 300 && response.status < 400 && location !== null
      // A repository that was renamed is a redirect within the Hub; one to the store of large files has all that is wanted.
      if (isRedirect && linkedSha256(response.headers) === null) {
        url = new URL(location, url).href
        continue
      }
      if (!response.ok && !isRedirect) return { ok: false, reason: hubRefusal(response.status, response.headers) }
      return parse(response.headers)
    }
    return { ok: false, reason: `more than ${REDIRECTS_MAX} redirects` }
  } catch (error) {
    return { ok: false, reason: watchdog.reason ?? reasonOfFetch(error) }
  } finally {
    watchdog.stop()
  }
}

function parse(headers: Headers): { ok: true; metadata: HubMetadata } | { ok: false; reason: string } {
  const sha256 = linkedSha256(headers)
  const byteLength = Number(headers.get('x-linked-size') ?? headers.get('content-length') ?? Number.NaN)
  if (sha256 === null || !Number.isSafeInteger(byteLength) || byteLength <= 0) {
    return { ok: false, reason: 'its answer does not name the SHA-256 and the length of the file' }
  }
  const commit = headers.get('x-repo-commit') ?? ''
  return { ok: true, metadata: { sha256, byteLength, commit: /^[0-9a-f]{40}$/.test(commit) ? commit : null } }
}
