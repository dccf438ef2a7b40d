/** What test/worker/bare-edge.ts tells at `GET /accounts`. */
import type { AttemptRecord } from '../../src/chat/ports.ts'
import type { Usage } from '../../src/contract/chat-completion.ts'

/** The usage of every completion that was billed, and every call that has ended. */
export type Accounts = { billed: (Usage | null)[]; ended: AttemptRecord[] }
