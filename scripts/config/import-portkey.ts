/**
 * Portkey's gateway configuration (JSON) as ours: one model, for such a file names none, whose targets are its targets. Pure; field names
 * as Portkey's documentation has them.
 */
import { deploymentConfigSchema, type ModelConfig, type TargetConfig } from '../../src/contract/routing-config.ts'
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
import { metadataConditions } from './portkey-conditions.ts'
import { portkeyDeployment } from './portkey-deployment.ts'

/** Between the targets of a fallback. */
const STEP = 10
const PRIORITY_MAX = 100
/** Of strategies within each other. */
const DEPTH_MAX = 8

const WHY: Readonly<Record<string, string>> = {
  cache: 'PERIGEE_CACHE and x-cache headers (docs/cache.md)',
  retry: 'another try is made while nothing was sent, as often as there are targets',
  request_timeout: 'of a target: give it with the target',
  input_guardrails: 'set up as rules of the filter (docs/filter.md)',
  output_guardrails: 'set up as rules of the filter (docs/filter.md)',
  before_request_hooks: 'set up as rules of the filter (docs/filter.md)',
  after_request_hooks: 'set up as rules of the filter (docs/filter.md)',
  forward_headers: "callers' headers are not sent on",
  on_status_codes: 'which refusals are worth another try is the same for all (docs/routing.md)',
  prompt_id: 'set up as a prompt template (docs/prompts.md)',
}
/** Of a target, beside those of its deployment. */
const OF_TARGET = new Set(['name', 'weight', 'strategy', 'targets', 'override_params'])

type World = Gathered & { model: ModelConfig; byName: Map<string, TargetConfig> }
/** What a target inherits from the strategies around it. */
type Place = { priority: number; weight: number | undefined; inherited: Fields }

/** `alias`: what callers are to name it by. */
export function importPortkey(document: unknown, alias: string): Imported {
  const file = fieldsOf(document)
  const model: ModelConfig = { targets: [] }
  const world: World = {
    config: { deployments: {}, models: {} },
    secrets: new Map(),
    notes: [],
    model,
    byName: new Map(),
  }
  const top = Object.hasOwn(file, 'targets') ? file : { targets: [file] }
  addGroup(world, top, '', { priority: 0, weight: undefined, inherited: {} }, 0)
  if (model.targets.length > 0) world.config.models[alias] = model
  const secrets = [...world.secrets].map(([secret, from]) => ({ secret, from }))
  return { config: world.config, secrets, notes: world.notes }
}

function addGroup(world: World, group: Fields, at: string, place: Place, depth: number): void {
  const strategy = fieldsOf(group.strategy)
  const mode = textOf(strategy.mode) ?? 'single'
  const targets = listOf(group.targets).map(fieldsOf)
  const inherited = { ...place.inherited, ...fieldsOf(group.override_params) }
  if (depth >= DEPTH_MAX) return void world.notes.push({ field: at, why: 'strategies within strategies, too deep' })
  if (mode === 'loadbalance' && targets.length > 1) world.model.strategy = 'weighted'
  if (mode === 'single' && targets.length > 1)
    world.notes.push({ field: `${at}targets`, why: 'without a strategy only the first is asked' })
  const used = mode === 'single' ? targets.slice(0, 1) : targets
  // A conditional's default goes behind the others: those are asked whose conditions hold.
  const later = mode === 'conditional' ? textOf(strategy.default) : undefined
  for (const [index, target] of used.entries()) {
    const behind = mode === 'fallback' ? index : later !== undefined && target.name === later ? 1 : 0
    const priority = Math.min(PRIORITY_MAX, place.priority + (depth === 0 ? STEP : 1) * behind)
    const weight = mode === 'loadbalance' ? numberOf(target.weight) : place.weight
    addTarget(world, target, `${at}targets.${index}.`, { priority, weight, inherited }, depth)
  }
  if (mode === 'conditional') addConditions(world, strategy, at)
  else if (mode !== 'single' && mode !== 'fallback' && mode !== 'loadbalance') {
    world.notes.push({ field: `${at}strategy.mode`, why: `${mode} is not known here: all targets are asked alike` })
  }
  for (const name of Object.keys(strategy)) {
    if (!['mode', 'conditions', 'default'].includes(name)) noteOne(world, `${at}strategy.${name}`, name)
  }
  if (depth > 0 || Object.hasOwn(group, 'strategy')) noteRest(world, group, at, OF_TARGET)
}

function addTarget(world: World, target: Fields, at: string, place: Place, depth: number): void {
  if (Object.hasOwn(target, 'targets')) {
    addGroup(world, target, at, place, depth + 1)
    return
  }
  const note: Note = (field, why) => {
    world.notes.push({ field: `${at}${field}`, why })
  }
  const params = { ...place.inherited, ...fieldsOf(target.override_params) }
  const id = freeId(
    textOf(target.name) ?? textOf(target.provider) ?? textOf(params.model) ?? 'target',
    world.config.deployments,
  )
  const made = portkeyDeployment(target, params, id, world.secrets, note)
  for (const name of Object.keys(fieldsOf(target.override_params))) {
    if (name !== 'model')
      note(
        `override_params.${name}`,
        'a deployment sets no parameters: put it into a prompt template (docs/prompts.md) or the request',
      )
  }
  if (made === undefined) return
  const parsed = deploymentConfigSchema.safeParse(made.deployment)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    note('', `it makes no deployment: ${issue?.path.join('.')} ${issue?.message}`)
    return
  }
  world.config.deployments[id] = parsed.data
  const carried: TargetConfig = {
    deployment: id,
    ...(place.priority === 0 ? {} : { priority: place.priority }),
    ...(place.weight === undefined ? {} : { weight: place.weight }),
  }
  world.model.targets.push(carried)
  const name = textOf(target.name)
  if (name !== undefined) world.byName.set(name, carried)
  noteRest(world, target, at, new Set([...OF_TARGET, ...made.used]))
}

function addConditions({ byName, notes }: World, strategy: Fields, at: string): void {
  for (const [index, entry] of listOf(strategy.conditions).entries()) {
    const field = `${at}strategy.conditions.${index}`
    const { query, then } = fieldsOf(entry)
    const target = byName.get(String(then))
    const metadata = metadataConditions(query)
    if (!target) notes.push({ field, why: `${String(then)} is no target that was carried over` })
    else if (!metadata)
      notes.push({
        field,
        why: 'only metadata that is equal to a text can be asked for: the target is never asked until `when` says more',
      })
    if (target && !metadata) target.weight = 0
    if (target && metadata) target.when = { metadata }
  }
}

function noteRest(world: World, fields: Fields, at: string, but: ReadonlySet<string>): void {
  for (const name of Object.keys(fields)) if (!but.has(name)) noteOne(world, `${at}${name}`, name)
}

function noteOne(world: World, field: string, name: string): void {
  noteAll(world, field, true, WHY[name] ?? 'there is no such field here')
}
