import { randomBytes } from 'node:crypto'

/** As OpenAI's ids look: a prefix, and enough chance that no two are ever the same. */
export const answerId = (prefix: 'chatcmpl' | 'cmpl'): string => `${prefix}-${randomBytes(16).toString('hex')}`
