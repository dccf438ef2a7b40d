/** LiteLLM's proxy configuration (config.yaml) as ours. Pure; field names as LiteLLM's documentation has them. */
import { aliasSchema, deploymentConfigSchema, type TargetConfig } from '../../src/contract/routing-config.ts'
import {
  type Fields,
  fieldsOf,
  freeId,
  type Gathered,
  type Imported,
  listOf,
  type Note,
  noteAll,
  numberOf,
  textOf,
} from './imported.ts'
import { deploymentOf } from './litellm-deployment.ts'
import { applyRouter, PRIORITY_MAX } from './litellm-router.ts'

/** Of litellm_params. */
const CARRIED = new Set([
  'model',
  'api_base',
  'base_url',
  'api_key',
  'timeout',
  'stream_timeout',
  'weight',
  'order',
  'max_parallel_requests',
])
const CARRIED_TOO = new Set([
  'input_cost_per_token',
  'output_cost_per_token',
  'aws_region_name',
  'vertex_project',
  'vertex_location',
  'organization',
])
const WHY: Readonly<Record<string, string>> = {
  rpm: 'requests a minute are limited by key and tenant (docs/limits.md), not by deployment; in_flight_max bounds what runs at once',
  tpm: 'tokens a minute are limited by key and tenant (docs/limits.md), not by deployment',
  api_version: "Azure's v1 API, which the preset uses, needs none",
  temperature: 'a deployment sets no sampling: put it into a prompt template (docs/prompts.md) or the request',
  max_tokens: 'a deployment sets no sampling: put it into a prompt template (docs/prompts.md) or the request',
}
const NOT_CHAT = 'only chat and text completions are served by a deployment'
const MODELS_OF_OTHERS = 'a pattern of names: name each model'
export function importLitellm(document: unknown): Imported {
  const file = fieldsOf(document)
  const gathered: Gathered = { config: { deployments: {}, models: {} }, secrets: new Map(), notes: [] }
  for (const [index, entry] of listOf(file.model_list).entries())
    addModel(gathered, fieldsOf(entry), `model_list.${index}`)
  applyRouter(gathered, fieldsOf(file.router_settings), fieldsOf(file.litellm_settings))
  for (const section of Object.keys(file)) {
    if (section === 'model_list' || section === 'router_settings' || section === 'litellm_settings') continue
    noteAll(gathered, section, file[section], sectionReason(section))
  }
  const secrets = [...gathered.secrets].map(([secret, from]) => ({ secret, from }))
  return { config: gathered.config, secrets, notes: gathered.notes }
}

function addModel({ config, secrets, notes }: Gathered, entry: Fields, at: string): void {
  const params = fieldsOf(entry.litellm_params)
  const info = fieldsOf(entry.model_info)
  const note: Note = (field, why) => {
    notes.push({ field: `${at}.${field}`, why })
  }
  const alias = textOf(entry.model_name) ?? ''
  const named = textOf(params.model) ?? ''
  const mode = textOf(info.mode) ?? 'chat'
  if (alias.includes('*') || named.includes('*')) return void note('model_name', MODELS_OF_OTHERS)
  if (!aliasSchema.safeParse(alias).success)
    return void note('model_name', 'it cannot be an alias here: letters, digits and ._:/@-')
  if (mode !== 'chat' && mode !== 'completion') return void note('model_info.mode', `${mode}: ${NOT_CHAT}`)

  const id = freeId(alias, config.deployments)
  const written = deploymentOf(named, id, params, secrets, note)
  if (written === undefined) return
  const parsed = deploymentConfigSchema.safeParse(written)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return void note('litellm_params', `it makes no deployment: ${issue?.path.join('.')} ${issue?.message}`)
  }
  const context = numberOf(info.max_input_tokens)
  config.deployments[id] = {
    ...parsed.data,
    ...(context !== undefined && Number.isInteger(context) && context > 0 ? { context_tokens: context } : {}),
  }
  const weight = numberOf(params.weight)
  const priority = numberOf(params.order)
  const target: TargetConfig = {
    deployment: id,
    ...(weight === undefined ? {} : { weight }),
    ...(priority === undefined ? {} : { priority: Math.min(PRIORITY_MAX, Math.max(0, Math.trunc(priority))) }),
  }
  const model = config.models[alias]
  config.models[alias] = { ...model, targets: [...(model?.targets ?? []), target] }
  for (const name of Object.keys(params)) {
    if (!CARRIED.has(name) && !CARRIED_TOO.has(name))
      note(`litellm_params.${name}`, WHY[name] ?? 'a deployment has no such field')
  }
  for (const name of Object.keys(info)) {
    if (name !== 'mode' && name !== 'max_input_tokens')
      note(`model_info.${name}`, 'nothing is kept about a model beyond what it can do and its prices')
  }
}

function sectionReason(section: string): string {
  if (section === 'general_settings')
    return 'keys, database and limits are set up here by themselves (docs/keys.md, docs/limits.md)'
  if (section === 'environment_variables')
    return 'put what deployments need into secrets whose names begin with UPSTREAM_'
  if (section === 'guardrails') return 'set up as rules of the filter (docs/filter.md)'
  return 'this gateway has no such section'
}
