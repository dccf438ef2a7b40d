/** What middleware and routes need beyond `chat/complete`. Adapters live in the capability folders; src/wiring.ts makes them. */

import type { CompletePorts, Principal } from '../chat/ports.ts'
import type { ChatTurnRequest, ChatTurnResponse } from '../contract/chat-turn.ts'
import type { ErrorValue } from '../errors.ts'

/** API keys by the SHA-256 of their text, lower-case hexadecimal. Compares in constant time. */
export type Keys = {
  find(sha256Hex: string): Promise<Principal | undefined>
}

/** `/chat`: one turn in a stored conversation. Expected failures are values: they cross an RPC boundary. */
export type Conversations = {
  turn(call: {
    principal: Principal
    request: ChatTurnRequest
    requestId: string
  }): Promise<{ ok: true; response: ChatTurnResponse } | { ok: false; error: ErrorValue }>
}

/** Counters of all isolates as Prometheus text (exposition format 0.0.4). */
export type MetricsReader = {
  text(): Promise<string>
}

/** What settings say to routes and middleware. */
export type HttpSettings = {
  /** The largest body of any route; text-only routes take less. */
  bodyBytesMax: number
  /** The least severe line that is written to the log. */
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** The alias of a request that names no model. */
  defaultModel: string
}

/** Everything the HTTP layer may use, made once per isolate by src/wiring.ts. */
export type HttpPorts = {
  complete: CompletePorts
  keys: Keys
  /** SHA-256 as 64 lower-case hexadecimal digits: how `keys` knows a key. */
  sha256Hex(text: string): string
  conversations: Conversations
  metrics: MetricsReader
  settings: HttpSettings
}
