/** Apart from the schema of the configuration: the request path needs no more of it. */

/** How an answer that died elsewhere can be taken up, the best first. `instruct`: by a user turn that asks to go on. */
export const CONTINUATIONS = ['token_ids', 'assistant', 'instruct'] as const
export type Continuation = (typeof CONTINUATIONS)[number]
