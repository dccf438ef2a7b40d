/** What every request to the Hub shares: address, token, and what its answers' headers say. */
import { type HubFile, hubUrl } from './hub-file.ts'

export type HubAccess = {
  /** HF_ENDPOINT: a mirror. */
  endpoint?: string | undefined
  /** HF_TOKEN, for repositories that are private or ask to accept terms. Sent to the endpoint only, not to where it redirects; never part of a message. */
  token?: string | undefined
}

export function hubAccess(env: Record<string, string | undefined>): HubAccess {
  return { endpoint: env.HF_ENDPOINT || undefined, token: env.HF_TOKEN?.trim() || undefined }
}

export function hubName({ endpoint }: HubAccess): string {
  return endpoint ? `the mirror ${endpoint}` : 'huggingface.co'
}

/** fetch would put a header that it refuses, the token, into its error. */
const TOKEN = /^[\x21-\x7e]+$/

export type HubRequest = { url: string; headersFor(url: string): Headers }

/** The reason as a string where none can be made. */
export function hubRequest(hub: HubFile, { endpoint, token }: HubAccess): HubRequest | string {
  const url = hubUrl(hub, endpoint)
  if (url === null) return `HF_ENDPOINT is ${endpoint}, which is no URL`
  if (token !== undefined && !TOKEN.test(token)) return 'HF_TOKEN has characters that no token has'
  const { origin } = new URL(url)
  return {
    url,
    headersFor(target) {
      const headers = new Headers()
      if (token && new URL(target).origin === origin) headers.set('authorization', `Bearer ${token}`)
      return headers
    },
  }
}

/** The SHA-256 of a file that is kept as a large file, as every GGUF is; null where the answer names none. A store's own ETag may be anything. */
export function linkedSha256(headers: Headers): string | null {
  const tag = headers.get('x-linked-etag') ?? ''
  const [, digest] = /^(?:W\/)?"?([0-9a-f]{64})"?$/i.exec(tag) ?? []
  return digest?.toLowerCase() ?? null
}

/** The Hub says "not found" and "not for you" alike by 401 to strangers; this header tells them apart. */
const REFUSALS: Readonly<Record<string, string>> = {
  RepoNotFound: 'there is no such repository, or it is private and HF_TOKEN may not read it',
  GatedRepo: 'the repository wants its terms accepted on its page, and HF_TOKEN of the account that did',
  EntryNotFound: 'the repository has no such file',
  RevisionNotFound: 'the repository has no such revision',
}

export function hubRefusal(status: number, headers: Headers): string {
  const code = headers.get('x-error-code') ?? ''
  const meaning = Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined
  return meaning === undefined ? `HTTP ${status}` : `HTTP ${status}: ${meaning}`
}
