/** The routing document with an upstream's models in it, in the place of those of an earlier start. Pure; twice is once. */
import { createHash } from 'node:crypto'
import type { PresetName } from '../../src/contract/provider-presets.ts'
import {
  aliasSchema,
  type ModelConfig,
  type RoutingConfig,
  type WrittenDeployment,
} from '../../src/contract/routing-config.ts'

export const UPSTREAM_SECRET_NAME = 'UPSTREAM_KEY'
/** Deployments whose names begin so are ours: nobody else's are touched. */
const OURS = 'upstream-'
const ID_CHARS_MAX = 64

export type Upstream = {
  preset: PresetName | undefined
  /** Undefined: the preset's. */
  url: string | undefined
  /** Undefined: the preset's, or `/v1`. */
  path: string | undefined
  hasKey: boolean
  /** As the endpoint names them. */
  models: readonly string[]
}

/** What callers name a model by. Undefined: no alias can be written so. */
export function aliasOf(model: string): string | undefined {
  const alias = model.replace(/^(models\/|@)/, '')
  return aliasSchema.safeParse(alias).success ? alias : undefined
}

/** An alias that somebody else set keeps what it stands for. */
export function withUpstream(current: RoutingConfig, upstream: Upstream): RoutingConfig {
  const named = upstream.models.flatMap((model) => {
    const alias = aliasOf(model)
    return alias === undefined ? [] : [{ alias, id: idOf(model), model }]
  })
  const deployments: Record<string, WrittenDeployment> = {}
  for (const [id, deployment] of Object.entries(current.deployments)) {
    if (!id.startsWith(OURS)) deployments[id] = deployment
  }
  for (const { id, model } of named) {
    deployments[id] = {
      ...(upstream.preset === undefined ? { adapter: 'openai' as const } : { preset: upstream.preset }),
      ...(upstream.url === undefined ? {} : { url: upstream.url }),
      ...(upstream.path === undefined ? {} : { path: upstream.path }),
      model,
      ...(upstream.hasKey ? { secret: UPSTREAM_SECRET_NAME } : {}),
    }
  }
  const models: Record<string, ModelConfig> = {}
  for (const [alias, model] of Object.entries(current.models)) {
    const kept = withoutGone(model, deployments)
    if (kept) models[alias] = kept
  }
  for (const { alias, id } of named) models[alias] ??= { targets: [{ deployment: id }] }
  return { deployments, models }
}

function withoutGone(model: ModelConfig, deployments: Readonly<Record<string, unknown>>): ModelConfig | undefined {
  const targets = model.targets.filter(({ deployment }) => Object.hasOwn(deployments, deployment))
  if (targets.length === 0) return undefined
  const { canary, ...rest } = model
  const isThere = canary !== undefined && Object.hasOwn(deployments, canary.deployment)
  return { ...rest, targets, ...(isThere ? { canary } : {}) }
}

/** Readable, and never the same for two models. */
function idOf(model: string): string {
  const plain = `${OURS}${model.replace(/[^A-Za-z0-9._-]+/g, '-')}`
  if (plain === `${OURS}${model}` && plain.length <= ID_CHARS_MAX) return plain
  const mark = createHash('sha256').update(model).digest('hex').slice(0, 8)
  return `${plain.slice(0, ID_CHARS_MAX - mark.length - 1)}-${mark}`
}
