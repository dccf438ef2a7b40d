/** Counts a prompt's tokens by asking our inference server, which has the tokenizer and the chat template. */
import * as z from 'zod/mini'
import type { TokenCounter } from '../chat/ports.ts'
import { AppError } from '../errors.ts'
import { errorFromStatus } from './upstream-error.ts'

/** `tokens` is not asked for, so the answer is two numbers. */
const ANSWER_SCHEMA = z.object({
  count: z.int().check(z.nonnegative()),
  max_model_len: z.int().check(z.positive()),
})

/** Tokenizing takes milliseconds; a server that needs longer is in trouble. */
const COUNT_TIMEOUT_MS = 5_000

export function tokenCounter(options: {
  baseUrl: string
  apiKey?: string | undefined
  headers?: Readonly<Record<string, string>> | undefined
  fetch: typeof fetch
}): TokenCounter {
  const url = `${options.baseUrl.replace(/\/+$/, '')}/tokenize`
  const headers: Record<string, string> = {
    ...options.headers,
    'content-type': 'application/json',
    ...(options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` }),
  }
  return {
    async count(model, messages, signal) {
      const timeout = AbortSignal.timeout(COUNT_TIMEOUT_MS)
      let response: Response
      let answer: unknown
      try {
        response = await options.fetch(url, {
          method: 'POST',
          headers,
          body: JSON.stringify({ model, messages, return_tokens: false }),
          redirect: 'manual',
          signal: AbortSignal.any([signal, timeout]),
        })
        answer = await response.json().catch(() => undefined)
      } catch (cause) {
        if (signal.aborted) throw new AppError('caller_gone', 'The caller hung up.', { cause })
        if (timeout.aborted) throw new AppError('upstream_timeout', 'The model did not answer in time.', { cause })
        throw new AppError('upstream_unavailable', 'The model cannot be reached.', { cause })
      }
      if (response.status !== 200) throw errorFromStatus(response.status, answer, response.headers.get('retry-after'))
      const parsed = ANSWER_SCHEMA.safeParse(answer)
      if (!parsed.success) throw new AppError('upstream_misconfigured', 'The model is set up wrongly on our side.')
      return { tokens: parsed.data.count, contextTokens: parsed.data.max_model_len }
    },
  }
}
