/** From the options of `npm start` to an upstream whose models are known, or a sentence that says what is missing. */
import { MODELS_MAX } from '../../src/contract/routing-config.ts'
import { listUpstreamModels } from './list-upstream-models.ts'
import type { UpstreamOptions } from './options.ts'
import { upstreamPlace } from './upstream-place.ts'
import { aliasOf, type Upstream } from './with-upstream.ts'

/** Leaves room for what is configured beside them. */
const LISTED_MAX = MODELS_MAX - 56

export type FoundUpstream =
  | {
      kind: 'upstream'
      upstream: Upstream
      key: string | undefined
      aliases: readonly string[]
      notes: readonly string[]
    }
  | { kind: 'wrong'; message: string }

/** The sentences never hold the key. */
export async function findUpstream(
  options: UpstreamOptions,
  environment: Readonly<NodeJS.ProcessEnv>,
  fetcher: typeof fetch = fetch,
): Promise<FoundUpstream> {
  const wrong = (message: string): FoundUpstream => ({ kind: 'wrong', message })
  const parsed = upstreamPlace(options.upstream, options.url)
  if (parsed.kind === 'wrong') return parsed
  const { place } = parsed
  const keyName = options.keyEnv ?? place.keyEnv
  const key = (keyName && environment[keyName]) || undefined
  if (options.keyEnv !== undefined && key === undefined) {
    return wrong(
      `${options.keyEnv} is not set: --upstream-key-env names the environment variable that holds the upstream's key`,
    )
  }
  const where = `${place.url}${place.paths[0]}`
  const listed = await listUpstreamModels({ ...place, key, fetch: fetcher })
  if (listed.kind === 'unreachable')
    return wrong(`${where} cannot be reached (${listed.reason}). Is the address right, and does it run?`)
  if (listed.kind === 'refused') {
    return wrong(
      key === undefined
        ? `${where} wants a key (${listed.status}): put it into an environment variable and name that by --upstream-key-env${place.keyEnv ? `, or set ${place.keyEnv}` : ''}`
        : `${where} refused the key in ${keyName} (${listed.status})`,
    )
  }
  const ids = listed.kind === 'models' ? listed.ids : []
  if (options.models.length === 0 && listed.kind === 'unlisted') {
    return wrong(
      `${where}/models did not tell which models there are: ${listed.reason}. Name them: --upstream-model NAME (once for each)`,
    )
  }
  if (options.models.length === 0 && ids.length > LISTED_MAX) {
    return wrong(
      `${where} lists ${ids.length} models, and at most ${LISTED_MAX} are taken. Name those that you want: --upstream-model NAME (once for each)`,
    )
  }
  const models = [...new Set(options.models.length > 0 ? options.models : ids)]
  const aliases = models.flatMap((model) => aliasOf(model) ?? [])
  if (aliases.length === 0) return wrong(`None of the models' names can be an alias: ${models.slice(0, 5).join(', ')}`)
  const unknown = listed.kind === 'models' ? options.models.filter((model) => !ids.includes(model)) : []
  const path = listed.kind === 'models' ? listed.path : place.paths[0]
  return {
    kind: 'upstream',
    upstream: {
      preset: place.preset,
      url: place.isOwnUrl ? place.url : undefined,
      path: place.preset === undefined && path !== '/v1' ? path : undefined,
      hasKey: key !== undefined,
      models,
    },
    key,
    aliases,
    notes: [
      ...(unknown.length > 0 ? [`Not in the upstream's own list: ${unknown.join(', ')}`] : []),
      ...(listed.kind === 'unlisted' ? [`The upstream's list of models could not be read: ${listed.reason}`] : []),
      ...(models.length > aliases.length
        ? [`Left out, for their names cannot be aliases: ${models.length - aliases.length}`]
        : []),
    ],
  }
}
