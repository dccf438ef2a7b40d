/**
 * The one document that says which models there are and who answers for them. A version of it is stored, compared and rolled back whole;
 * `/admin/models` and `/admin/routes` edit it, and a file may hold it. docs/routing.md explains each field.
 */
import * as z from 'zod/mini'
import { MODEL_CHARS_MAX } from './chat-completion.ts'
import { CONTINUATIONS } from './continuation.ts'
import { AUTH_KINDS, PRESET_NAMES, QUIRKS } from './provider-presets.ts'

/** As many as one table in the isolate's memory and one row of D1 hold with ease. */
export const DEPLOYMENTS_MAX = 256
export const MODELS_MAX = 256
export const TARGETS_MAX = 64
/** Of the document as JSON. D1's rows end at 2 MB. */
export const CONFIG_BYTES_MAX = 1_000_000

export const ADAPTER_KINDS = ['openai', 'inference', 'sagemaker', 'anthropic'] as const
export type AdapterKind = (typeof ADAPTER_KINDS)[number]

/** What a request may need of a deployment. */
export const CAPABILITIES = ['tools', 'json_schema', 'vision', 'audio', 'logprobs', 'n'] as const
export type Capability = (typeof CAPABILITIES)[number]

export const deploymentIdSchema = z
  .string()
  .check(
    z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be letters, digits, dots, dashes and underscores, at most 64'),
  )
export const aliasSchema = z
  .string()
  .check(
    z.maxLength(MODEL_CHARS_MAX),
    z.regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/, 'must be letters, digits and ._:/@-, and begin with a letter or digit'),
  )

/** Of a Worker's secret that holds credentials. Others cannot be named: a configuration could send them anywhere. */
const secretName = z
  .string()
  .check(z.regex(/^UPSTREAM_[A-Z0-9_]{1,48}$/, 'must name a secret of the Worker, as UPSTREAM_OPENAI'))

const ms = (most: number) => z.optional(z.int().check(z.minimum(50), z.maximum(most)))
const price = z.int().check(z.nonnegative(), z.maximum(1_000_000_000))

const locationSchema = z.strictObject({
  latitude: z.number().check(z.minimum(-90), z.maximum(90)),
  longitude: z.number().check(z.minimum(-180), z.maximum(180)),
})

/** Headers that a deployment may be sent besides ours. Values are no secrets. */
const headersSchema = z.record(
  z
    .string()
    .check(z.regex(/^(x-[a-z0-9-]{1,60}|http-referer|openai-organization|openai-project|anthropic-beta|api-version)$/)),
  z.string().check(z.maxLength(512), z.regex(/^[\x20-\x7e]*$/, 'must be printable ASCII')),
)

export const deploymentConfigSchema = z.strictObject({
  /** Absent: the preset's, else openai. */
  adapter: z.optional(z.enum(ADAPTER_KINDS)),
  /** A known provider: what of url, path, auth, quirks and capabilities is not said here is taken from it. */
  preset: z.optional(z.enum(PRESET_NAMES)),
  /** openai and inference: the base URL, without `/v1`. No user, password, query or fragment. */
  url: z.optional(z.url({ protocol: /^https?$/ }).check(z.maxLength(2_048))),
  /** openai: between the URL and `/chat/completions`. Absent: `/v1`. */
  path: z.optional(z.string().check(z.maxLength(256), z.regex(/^(\/[\w.-]+)*$/, 'must be empty, or as /openai/v1'))),
  /** openai: the header that the secret is sent in. Absent: as bearer key. */
  auth: z.optional(z.enum(AUTH_KINDS)),
  /** openai: what is said differently to it. Absent: no_message_extras. */
  quirks: z.optional(z.array(z.enum(QUIRKS)).check(z.maxLength(QUIRKS.length))),
  /** sagemaker: the endpoint's name, and the component where it has several. */
  endpoint: z.optional(z.string().check(z.regex(/^[A-Za-z0-9](-*[A-Za-z0-9]){0,62}$/))),
  inference_component: z.optional(z.string().check(z.regex(/^[A-Za-z0-9](-*[A-Za-z0-9]){0,62}$/))),
  /** The name that the endpoint knows the model by; callers see it as `model`. */
  model: z.string().check(z.minLength(1), z.maxLength(MODEL_CHARS_MAX)),
  /** As the cloud names it, `eu-west-1`: says where it is, and for sagemaker which endpoint. */
  region: z.optional(z.string().check(z.regex(/^[a-z0-9-]{2,32}$/))),
  /** For `nearest` where the region's name does not say it. */
  location: z.optional(locationSchema),
  secret: z.optional(secretName),
  headers: z.optional(headersSchema),
  /** Absent: it can do everything but token_ids, vision and audio. A request that needs what it cannot do goes elsewhere. */
  capabilities: z.optional(z.array(z.enum(CAPABILITIES)).check(z.maxLength(16))),
  /** Absent: token_ids for inference, instruct for others. */
  continuation: z.optional(z.array(z.enum(CONTINUATIONS)).check(z.maxLength(3))),
  context_tokens: z.optional(z.int().check(z.minimum(1), z.maximum(100_000_000))),
  /** Micro-units of currency a million tokens, as in /admin/prices: for `cheapest`. */
  price: z.optional(z.strictObject({ input: price, output: price })),
  timeouts_ms: z.optional(
    z.strictObject({
      connect: ms(60_000),
      first_token: ms(600_000),
      first_token_while_waiting: ms(600_000),
      between_tokens: ms(600_000),
      total: ms(3_600_000),
    }),
  ),
  /** Calls at once from all isolates of a region, roughly; more wait. Absent: the endpoint says itself when it is busy. */
  in_flight_max: z.optional(z.int().check(z.minimum(1), z.maximum(100_000))),
  queue: z.optional(
    z.strictObject({
      length: z.optional(z.int().check(z.minimum(0), z.maximum(10_000))),
      wait_ms: z.optional(z.int().check(z.minimum(0), z.maximum(120_000))),
    }),
  ),
  health: z.optional(
    z.strictObject({
      /** Asked by GET; 2xx is well. Absent: `/health` for inference, else no active check. */
      path: z.optional(z.string().check(z.regex(/^\/[\w./-]{0,255}$/))),
      interval_ms: z.optional(z.int().check(z.minimum(1_000), z.maximum(3_600_000))),
      off: z.optional(z.boolean()),
    }),
  ),
  /** `false` takes it out without forgetting it. */
  enabled: z.optional(z.boolean()),
})
/** As it is stored and shown. */
export type WrittenDeployment = z.infer<typeof deploymentConfigSchema>
/** With what its preset says. */
export type DeploymentConfig = WrittenDeployment & { adapter: AdapterKind }

const names = (most: number) =>
  z.array(z.string().check(z.minLength(1), z.maxLength(256))).check(z.minLength(1), z.maxLength(most))

/** All that are given must hold. */
export const conditionSchema = z.strictObject({
  tenants: z.optional(names(256)),
  users: z.optional(names(256)),
  /** ISO 3166-1 alpha-2, as DE. */
  countries: z.optional(names(256)),
  /** As Cloudflare names them: AF, AN, AS, EU, NA, OC, SA. */
  continents: z.optional(names(7)),
  prompt_chars: z.optional(
    z.strictObject({
      min: z.optional(z.int().check(z.nonnegative())),
      max: z.optional(z.int().check(z.nonnegative())),
    }),
  ),
  /** Of the request's `metadata`, each equal. */
  metadata: z.optional(z.record(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(512)))),
  needs: z.optional(z.array(z.enum(CAPABILITIES)).check(z.maxLength(16))),
})
export type Condition = z.infer<typeof conditionSchema>

export const targetConfigSchema = z.strictObject({
  deployment: deploymentIdSchema,
  /** Lower goes first; the next group is asked when all of this one cannot. Default 0. */
  priority: z.optional(z.int().check(z.minimum(0), z.maximum(100))),
  /** Share within the group, for `weighted`. Default 1; 0 takes no share, and is still there when the others fail. */
  weight: z.optional(z.number().check(z.minimum(0), z.maximum(1_000_000))),
  when: z.optional(conditionSchema),
})
export type TargetConfig = z.infer<typeof targetConfigSchema>

export const STRATEGIES = ['weighted', 'least_loaded', 'cheapest', 'nearest'] as const
export type Strategy = (typeof STRATEGIES)[number]

export const modelConfigSchema = z.strictObject({
  targets: z.array(targetConfigSchema).check(z.minLength(1), z.maxLength(TARGETS_MAX)),
  /** Within a group. Default least_loaded. */
  strategy: z.optional(z.enum(STRATEGIES)),
  /** The same tenant, user or conversation is given the same deployment while that is well. */
  sticky: z.optional(z.enum(['tenant', 'user', 'conversation'])),
  /** This share of the requests goes to that deployment first. */
  canary: z.optional(
    z.strictObject({
      deployment: deploymentIdSchema,
      percent: z.number().check(z.minimum(0), z.maximum(100)),
      /** Whose requests stay together. Default request: each by itself. */
      by: z.optional(z.enum(['request', 'tenant', 'user', 'conversation'])),
    }),
  ),
  /** Requests that begin alike prefer the replica that read that beginning before. Default prefix where all of a group are inference, else off. */
  affinity: z.optional(
    z.strictObject({
      by: z.enum(['off', 'prefix', 'conversation']),
      /** How many times the group's mean load the preferred one may have before the next is taken. Default 1.5. */
      spill: z.optional(z.number().check(z.minimum(1), z.maximum(100))),
    }),
  ),
  /** How an answer that died may be taken up elsewhere; default all three. Empty: it ends with an error. */
  continue_by: z.optional(z.array(z.enum(CONTINUATIONS)).check(z.maxLength(3))),
  /** Which tenants see it. Absent: all. */
  tenants: z.optional(names(1_024)),
  /** Seconds since 1970, for the list of models. */
  created: z.optional(z.int().check(z.nonnegative(), z.maximum(32_503_680_000))),
})
export type ModelConfig = z.infer<typeof modelConfigSchema>

export const routingConfigSchema = z.strictObject({
  deployments: z.record(deploymentIdSchema, deploymentConfigSchema),
  models: z.record(aliasSchema, modelConfigSchema),
})
export type RoutingConfig = z.infer<typeof routingConfigSchema>

/** Of versions of the document. 0 is what the settings say. */
export const VERSION_MAX = 999_999_999
/** Where a list of versions goes on. */
export const routingCursorSchema = z.string().check(z.regex(/^\d{1,9}$/, 'must be a `next` of this list'))
export const versionCommentSchema = z.string().check(z.maxLength(500))
export const rollbackSchema = z.strictObject({
  version: z.int().check(z.minimum(0), z.maximum(VERSION_MAX)),
  comment: z.optional(versionCommentSchema),
})
