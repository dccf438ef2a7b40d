/** Answers of the routing document's routes, for the OpenAPI document and tests. Not in the bundle: see schemas.ts. */
import * as z from 'zod/mini'
import { deploymentConfigSchema, modelConfigSchema, routingConfigSchema } from '../../contract/routing-config.ts'
import { listOf } from './list-schema.ts'

const count = z.int().check(z.nonnegative())

const changeSchema = z.strictObject({
  path: z.string(),
  change: z.enum(['added', 'removed', 'changed']),
  before: z.optional(z.unknown()),
  after: z.optional(z.unknown()),
})

const versionFields = {
  object: z.literal('routing_version'),
  version: count,
  created_at: z.nullable(z.int()),
  created_by: z.nullable(z.strictObject({ key_id: z.string(), user_id: z.optional(z.string()) })),
  comment: z.string(),
  rolled_back_to: z.optional(count),
  /** How many there are; `diff` has the first. */
  changes: count,
  diff: z.array(changeSchema),
}
export const wholeRoutingVersionSchema = z.strictObject({ ...versionFields, config: routingConfigSchema })
export const routingVersionListSchema = listOf(z.strictObject(versionFields))

export const routingPlanSchema = z.strictObject({
  object: z.literal('routing_plan'),
  version: count,
  valid: z.boolean(),
  errors: z.array(z.strictObject({ param: z.string(), detail: z.string() })),
  changes: count,
  diff: z.array(changeSchema),
})

export const modelAliasSchema = z.extend(modelConfigSchema, { id: z.string(), object: z.literal('model_alias') })
export const modelAliasListSchema = listOf(modelAliasSchema)
export const deploymentViewSchema = z.extend(deploymentConfigSchema, {
  id: z.string(),
  object: z.literal('deployment'),
})
export const deploymentListSchema = listOf(deploymentViewSchema)

const deleted = <Kind extends string>(kind: Kind) =>
  z.strictObject({ id: z.string(), object: z.literal(`${kind}.deleted`), deleted: z.literal(true) })
export const deletedModelAliasSchema = deleted('model_alias')
export const deletedDeploymentSchema = deleted('deployment')
