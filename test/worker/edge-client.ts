/** Calls the Worker as the platform does, with a key and settings of the test's own. */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { vi } from 'vitest'
import { makeApiKey, sha256Hex } from '../../src/auth/api-key.ts'
import type { HttpPorts } from '../../src/http/ports.ts'
import { allPorts, wholeApp } from '../../src/whole-app.ts'
import { wireAttempt } from '../../src/wiring/attempt.ts'
import { allWell } from '../support/all-well.ts'

export const MODEL = 'smollm2-135m-instruct'
export const KEY = makeApiKey()

export type Edge = {
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** As `fetch`, with the key. */
  get(path: string, headers?: Record<string, string>): Promise<Response>
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>
  /** How often the Worker has asked for its context to outlive the caller. */
  held(): number
  /** Resolves when everything that the Worker does after its answers is done. */
  settled(): Promise<void>
}

/** `change` replaces ports of the real wiring. */
export function edge(
  settings: Record<string, string | undefined> = {},
  change: (ports: HttpPorts) => Partial<HttpPorts> = () => ({}),
): Edge {
  const bindings = { ...env, PERIGEE_KEY_SHA256: sha256Hex(KEY), PERIGEE_LOG_LEVEL: 'silent', ...settings }
  let ports: HttpPorts | undefined
  const app = wholeApp(() => {
    if (!ports) {
      const wired = allPorts(bindings)
      // What fails in one test would be shut in the next. test/worker/health.test.ts and the end-to-end suites have the real health.
      const complete = { ...wired.complete, attempt: wireAttempt(allWell, () => undefined) }
      ports = { ...wired, complete, ...change({ ...wired, complete }) }
    }
    return ports
  })
  const contexts: ExecutionContext[] = []
  const holds: { mock: { calls: unknown[] } }[] = []
  const call = (path: string, init: RequestInit = {}) => {
    const context = createExecutionContext()
    contexts.push(context)
    holds.push(vi.spyOn(context, 'waitUntil'))
    return Promise.resolve(app.fetch(new Request(`https://edge.test${path}`, init), bindings, context))
  }
  const withKey = { authorization: `Bearer ${KEY}` }
  return {
    fetch: call,
    get: (path, headers = {}) => call(path, { headers: { ...withKey, ...headers } }),
    post: (path, body, init = {}) =>
      call(path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { ...withKey, 'content-type': 'application/json', ...Object.fromEntries(new Headers(init.headers)) },
      }),
    held: () => holds.reduce((sum, { mock }) => sum + mock.calls.length, 0),
    async settled() {
      for (const context of contexts.splice(0)) await waitOnExecutionContext(context)
    },
  }
}

/** The code of an error in either shape. */
export async function codeOf(response: Response): Promise<string | undefined> {
  const body = await response.json<{ code?: string; error?: { code: string } }>()
  return body.error?.code ?? body.code
}
