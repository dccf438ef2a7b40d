/** Counts tokens for an alias: by the server of one of its deployments, or by an estimate where none of them counts. */
import type { TokenCounter } from '../chat/ports.ts'
import { AppError, type ErrorCode, toAppError } from '../errors.ts'
import type { RoutingTable } from './routing-table.ts'

/** English has 4 and more, Chinese about 3, code between: rather too many tokens than too few. */
const BYTES_PER_TOKEN = 3
const TOKENS_PER_MESSAGE = 8
/** Where the configuration does not say: hardly any served model reads less. */
const CONTEXT_TOKENS = 16_384

/** What another replica may do better; a prompt that is too long is too long for all. */
const WORTH_ANOTHER: ReadonlySet<ErrorCode> = new Set([
  'upstream_unavailable',
  'upstream_misconfigured',
  'upstream_interrupted',
  'upstream_rate_limited',
  'upstream_overloaded',
  'upstream_timeout',
])

type Table = () => RoutingTable | Promise<RoutingTable>

/** Exact. Rejects with not_configured where no deployment counts. */
export function aliasCounter(table: Table): TokenCounter {
  return {
    async count(alias, messages, signal) {
      const { models, deployments } = await table()
      let failure: AppError | undefined
      for (const { deployment } of models.get(alias)?.route.targets ?? []) {
        const counter = deployments.get(deployment.id)?.counter
        if (!counter) continue
        try {
          return await counter.count(deployment.model, messages, signal)
        } catch (thrown) {
          failure = toAppError(thrown)
          if (!WORTH_ANOTHER.has(failure.code)) throw failure
        }
      }
      throw failure ?? new AppError('not_configured', 'No deployment of this model counts tokens.')
    },
  }
}

/** The same, but never rejects with not_configured. */
export function estimatingCounter(table: Table): TokenCounter {
  const exact = aliasCounter(table)
  return {
    async count(alias, messages, signal) {
      try {
        return await exact.count(alias, messages, signal)
      } catch (thrown) {
        if (toAppError(thrown).code !== 'not_configured') throw thrown
      }
      const { models } = await table()
      const bytes = new TextEncoder().encode(JSON.stringify(messages)).length
      return {
        tokens: Math.ceil(bytes / BYTES_PER_TOKEN) + messages.length * TOKENS_PER_MESSAGE,
        contextTokens: models.get(alias)?.listed.contextTokens ?? CONTEXT_TOKENS,
      }
    },
  }
}
