/** Apart from the schemas of rules: the request path needs no more of them. */

export const RULES_MAX = 64
/** Of one tenant. Some 12 MB of memory in each isolate that serves it. */
export const WORDS_MAX = 50_000
