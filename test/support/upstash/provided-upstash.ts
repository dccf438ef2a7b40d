/** What test/support/upstash/setup.ts provides to the suites: `inject('upstash')`. */
import 'vitest'

export type ProvidedUpstash = { url: string; token: string } | { missing: string }

declare module 'vitest' {
  export interface ProvidedContext {
    upstash: ProvidedUpstash
  }
}
