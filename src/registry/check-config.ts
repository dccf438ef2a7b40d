/** What the schema of the routing document cannot say: names that must be there, what each adapter needs, where addresses may lead. Pure. */
import { PRESETS } from '../contract/provider-presets.ts'
import {
  type AdapterKind,
  CONFIG_BYTES_MAX,
  DEPLOYMENTS_MAX,
  MODELS_MAX,
  type ModelConfig,
  type RoutingConfig,
  type WrittenDeployment,
} from '../contract/routing-config.ts'
import type { FieldProblem } from '../errors.ts'
import { baseUrlProblem, type UrlRules } from './base-url.ts'
import type { KindRules } from './kind-rules.ts'
import { hasPlaceholder, withPreset } from './with-preset.ts'

/** So many are told; who has made more mistakes than that finds the others with the next try. */
export const PROBLEMS_MAX = 100

export type CheckRules = UrlRules & {
  adapters: Readonly<Record<AdapterKind, KindRules>>
  /** Whether the Worker has a secret of that name. Its value is nobody's business here. */
  hasSecret(name: string): boolean
}

/** What SageMaker is asked with where a deployment names no secret: src/upstream/aws-credentials.ts. */
const AWS_SECRETS = ['UPSTREAM_AWS_ACCESS_KEY_ID', 'UPSTREAM_AWS_SECRET_ACCESS_KEY'] as const

/** All mistakes, each by the path of its field; empty when the document may hold. */
export function checkConfig(config: RoutingConfig, rules: CheckRules): FieldProblem[] {
  const problems = [
    ...sizeProblems(config),
    ...Object.entries(config.deployments).flatMap(([id, deployment]) =>
      deploymentProblems(deployment, rules).map((problem) => below(`deployments.${id}`, problem)),
    ),
    ...Object.entries(config.models).flatMap(([alias, model]) =>
      modelProblems(model, config).map((problem) => below(`models.${alias}`, problem)),
    ),
  ]
  return problems.slice(0, PROBLEMS_MAX)
}

function below(path: string, { param, detail }: FieldProblem): FieldProblem {
  return { param: `${path}.${param}`, detail }
}

function sizeProblems(config: RoutingConfig): FieldProblem[] {
  const problems: FieldProblem[] = []
  const count = (param: 'deployments' | 'models', most: number) => {
    if (Object.keys(config[param]).length > most) problems.push({ param, detail: `must have ${most} at most` })
  }
  count('deployments', DEPLOYMENTS_MAX)
  count('models', MODELS_MAX)
  if (new TextEncoder().encode(JSON.stringify(config)).length > CONFIG_BYTES_MAX) {
    problems.push({ param: '', detail: `must have ${CONFIG_BYTES_MAX} bytes at most as JSON` })
  }
  return problems
}

function deploymentProblems(written: WrittenDeployment, rules: CheckRules): FieldProblem[] {
  const deployment = withPreset(written)
  const { adapter, url, secret } = deployment
  const problems: FieldProblem[] = []
  const { needs, takesNot } = rules.adapters[adapter]
  for (const field of needs) {
    if (deployment[field] === undefined) problems.push({ param: field, detail: mustBeGiven(field, written, adapter) })
  }
  for (const field of takesNot) {
    if (written[field] !== undefined) problems.push({ param: field, detail: `must not be given for ${adapter}` })
  }
  const wrongUrl = url === undefined ? undefined : baseUrlProblem(url, rules)
  if (wrongUrl !== undefined) problems.push({ param: 'url', detail: wrongUrl })
  if (secret !== undefined && !rules.hasSecret(secret)) {
    problems.push({ param: 'secret', detail: 'must name a secret that the Worker has: `wrangler secret put` it first' })
  }
  if (adapter === 'sagemaker' && secret === undefined && !AWS_SECRETS.every(rules.hasSecret)) {
    problems.push({ param: 'secret', detail: `must be given: the Worker lacks ${AWS_SECRETS.join(' or ')}` })
  }
  return problems
}

function mustBeGiven(field: string, { preset }: WrittenDeployment, adapter: AdapterKind): string {
  const url = preset && PRESETS[preset].url
  return field === 'url' && url && hasPlaceholder(url)
    ? `must be given for ${preset}, as ${url}`
    : `must be given for ${adapter}`
}

function modelProblems({ targets, canary }: ModelConfig, { deployments }: RoutingConfig): FieldProblem[] {
  const problems: FieldProblem[] = []
  const seen = new Set<string>()
  for (const [index, { deployment, when }] of targets.entries()) {
    const param = `targets.${index}`
    if (!Object.hasOwn(deployments, deployment)) {
      problems.push({ param: `${param}.deployment`, detail: 'must be the name of one of `deployments`' })
    } else if (seen.has(deployment)) {
      problems.push({ param: `${param}.deployment`, detail: 'must be named once: another target names it, too' })
    }
    seen.add(deployment)
    const { min = 0, max } = when?.prompt_chars ?? {}
    if (max !== undefined && max < min) {
      problems.push({ param: `${param}.when.prompt_chars.max`, detail: 'must be at least `min`' })
    }
  }
  if (canary && !seen.has(canary.deployment)) {
    problems.push({ param: 'canary.deployment', detail: 'must be the deployment of one of `targets`' })
  }
  return problems
}
