/** LiteLLM's router and its fallbacks, as strategies and priorities of our models. */
import { aliasSchema, type ModelConfig, type Strategy, type TargetConfig } from '../../src/contract/routing-config.ts'
import { type Fields, fieldsOf, type Gathered, isFields, listOf, noteAll, textOf } from './imported.ts'

const STRATEGIES: Readonly<Record<string, { strategy: Strategy; why?: string }>> = {
  'simple-shuffle': { strategy: 'weighted' },
  'least-busy': { strategy: 'least_loaded' },
  'cost-based-routing': { strategy: 'cheapest' },
  'usage-based-routing': {
    strategy: 'least_loaded',
    why: 'usage is not counted by deployment: least_loaded took its place',
  },
  'usage-based-routing-v2': {
    strategy: 'least_loaded',
    why: 'usage is not counted by deployment: least_loaded took its place',
  },
  'latency-based-routing': { strategy: 'least_loaded', why: 'least_loaded took its place' },
}

/** Between the targets of a model and those of its fallbacks. */
const FALLBACK_STEP = 10
export const PRIORITY_MAX = 100

export function applyRouter(gathered: Gathered, router: Fields, settings: Fields): void {
  const { config, notes } = gathered
  const routing = textOf(router.routing_strategy) ?? 'simple-shuffle'
  const known = STRATEGIES[routing]
  if (!known)
    notes.push({
      field: 'router_settings.routing_strategy',
      why: `${routing} is not known here: least_loaded took its place`,
    })
  else if (known.why) notes.push({ field: 'router_settings.routing_strategy', why: known.why })
  for (const model of Object.values(config.models))
    if (model.targets.length > 1) model.strategy = known?.strategy ?? 'least_loaded'

  const own = new Map(Object.entries(config.models).map(([alias, { targets }]) => [alias, targets]))
  for (const [section, fields] of [
    ['router_settings', router],
    ['litellm_settings', settings],
  ] as const) {
    for (const [index, entry] of listOf(fields.fallbacks).entries()) {
      for (const [alias, to] of Object.entries(fieldsOf(entry)))
        addFallbacks(gathered, own, alias, listOf(to), `${section}.fallbacks.${index}`)
    }
    for (const name of Object.keys(fields)) {
      if (name === 'fallbacks' || name === 'routing_strategy' || name === 'model_group_alias') continue
      noteAll(gathered, `${section}.${name}`, true, SETTING_REASONS[name] ?? 'this gateway has no such setting')
    }
  }
  for (const [alias, to] of Object.entries(fieldsOf(router.model_group_alias))) {
    const model = config.models[textOf(to) ?? textOf(fieldsOf(to).model) ?? '']
    const field = `router_settings.model_group_alias.${alias}`
    if (!model || !aliasSchema.safeParse(alias).success)
      notes.push({ field, why: 'it names no model that was carried over' })
    else config.models[alias] = structuredClone(model)
    if (fieldsOf(to).hidden === true) notes.push({ field, why: 'hidden: an alias is listed for all who may use it' })
  }
}

function addFallbacks(
  { config, notes }: Gathered,
  own: ReadonlyMap<string, readonly TargetConfig[]>,
  alias: string,
  to: readonly unknown[],
  field: string,
): void {
  const model: ModelConfig | undefined = config.models[alias]
  if (!model) return void notes.push({ field, why: `${alias} was not carried over` })
  for (const [index, name] of to.entries()) {
    const others = own.get(String(name))
    if (!others)
      notes.push({
        field,
        why: `${isFields(name) ? 'a fallback with fields of its own' : String(name)} was not carried over`,
      })
    for (const target of others ?? []) {
      if (model.targets.some(({ deployment }) => deployment === target.deployment)) continue
      const priority = Math.min(PRIORITY_MAX, FALLBACK_STEP * (index + 1) + (target.priority ?? 0))
      model.targets.push({ ...target, priority })
    }
  }
}

const SETTING_REASONS: Readonly<Record<string, string>> = {
  num_retries: 'another try is made while nothing was sent, as often as there are deployments',
  timeout: 'of all deployments: PERIGEE_TOTAL_TIMEOUT_MS',
  request_timeout: 'of all deployments: PERIGEE_TOTAL_TIMEOUT_MS',
  cache: 'PERIGEE_CACHE (docs/cache.md)',
  cache_params: 'PERIGEE_CACHE and PERIGEE_UPSTASH_URL (docs/cache.md)',
  drop_params: "a preset's quirks leave out what its provider refuses",
  context_window_fallbacks: 'a prompt that is too long is told so; `when.prompt_chars` sends long ones elsewhere',
  content_policy_fallbacks: 'an answer that was refused is not asked for elsewhere',
}
