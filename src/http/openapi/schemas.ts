/**
 * The named schemas of the OpenAPI document. Requests are the very schemas that routes parse with; answers are described here, and
 * test/worker/edge-completions.test.ts parses real answers with them. Only scripts/build-openapi.ts and tests import this: it is not in the bundle.
 * Long, because it ends in the one table of names.
 */
import * as z from 'zod/mini'
import { putBudgetSchema, putPriceSchema } from '../../contract/budgets.ts'
import { messageSchema, textRequestSchema } from '../../contract/chat-completion.ts'
import { CONVERSATION_ID, chatTurnRequestSchema } from '../../contract/chat-turn.ts'
import { filterRuleSchema } from '../../contract/filter-rules.ts'
import { generateRequestSchema } from '../../contract/generate.ts'
import { heartbeatSchema, serverLoadSchema } from '../../contract/heartbeat.ts'
import { identityProviderChangeSchema, newIdentityProviderSchema } from '../../contract/identity-providers.ts'
import { createKeySchema, patchKeySchema, rotateKeySchema } from '../../contract/keys.ts'
import { LIMIT_DIMENSIONS, LIMIT_KINDS, limitChangeSchema, newLimitSchema } from '../../contract/limits.ts'
import { countTokensRequestSchema, messagesRequestSchema } from '../../contract/messages.ts'
import { moderationRequestSchema } from '../../contract/moderation.ts'
import {
  labelChangeSchema,
  newPromptSchema,
  newVersionSchema,
  promptChangeSchema,
  renderRequestSchema,
} from '../../contract/prompt-template.ts'
import { promptedChatRequestSchema } from '../../contract/prompted-chat.ts'
import {
  CAPABILITIES,
  deploymentConfigSchema,
  modelConfigSchema,
  rollbackSchema,
  routingConfigSchema,
} from '../../contract/routing-config.ts'
import { createTenantSchema, patchTenantSchema } from '../../contract/tenants.ts'
import {
  logoutSchema,
  newUserSchema,
  passwordChangeSchema,
  registrationSchema,
  tokenRequestSchema,
  userChangeSchema,
} from '../../contract/users.ts'
import { keyListSchema, keySchema, newKeySchema, tenantListSchema, tenantSchema } from './admin-schemas.ts'
import {
  budgetListSchema,
  budgetSchema,
  priceListSchema,
  priceSchema,
  usageListSchema,
  usageRowSchema,
  usageSumListSchema,
  usageSumSchema,
} from './budget-schemas.ts'
import { filterRuleListSchema, filterRuleViewSchema, moderationResponseSchema } from './filter-schemas.ts'
import {
  announcedServerSchema,
  deploymentHealthSchema,
  heartbeatAnswerSchema,
  regionHealthSchema,
} from './health-schemas.ts'
import { listOf } from './list-schema.ts'
import {
  promptListSchema,
  promptSchema,
  promptVersionListSchema,
  promptVersionSchema,
  renderedPromptSchema,
} from './prompt-schemas.ts'
import { requestDetailsSchema, requestListSchema, requestRowSchema } from './request-schemas.ts'
import {
  deletedDeploymentSchema,
  deletedModelAliasSchema,
  deploymentListSchema,
  deploymentViewSchema,
  modelAliasListSchema,
  modelAliasSchema,
  routingPlanSchema,
  routingVersionListSchema,
  wholeRoutingVersionSchema,
} from './routing-schemas.ts'
import {
  deletedSchema,
  identityProviderListSchema,
  identityProviderSchema,
  principalSchema,
  tokenResponseSchema,
  userListSchema,
  userSchema,
} from './user-schemas.ts'

const count = z.int().check(z.nonnegative())
const finishReason = z.enum(['stop', 'length', 'tool_calls', 'content_filter'])
const tokenIds = z.optional(z.array(count))

const filterFlags = z.array(
  z.object({ rule: z.string(), action: z.enum(['mask', 'redact', 'block']), on: z.enum(['input', 'output']), count }),
)
/** Of a choice, in its last event: which rules of the filter matched, and where another deployment took the answer up. */
const choiceNote = z.optional(
  z.object({
    flags: z.optional(filterFlags),
    joined: z.optional(
      z.array(z.object({ from: z.string(), to: z.string(), by: z.enum(['token_ids', 'assistant', 'instruct']) })),
    ),
  }),
)

/** The same where there are no choices, and that a budget ended the answer. */
const answerNote = { flags: z.optional(filterFlags), stop_reason: z.optional(z.literal('insufficient_quota')) }

export const usageSchema = z.looseObject({ prompt_tokens: count, completion_tokens: count, total_tokens: count })

const head = { id: z.string(), created: z.int(), model: z.string(), system_fingerprint: z.optional(z.string()) }

export const chatResponseSchema = z.looseObject({
  ...head,
  object: z.literal('chat.completion'),
  choices: z.array(
    z.looseObject({
      index: count,
      message: z.looseObject({
        role: z.literal('assistant'),
        content: z.nullable(z.string()),
        refusal: z.nullable(z.string()),
      }),
      finish_reason: finishReason,
      logprobs: z.nullable(z.looseObject({})),
      token_ids: tokenIds,
      perigee: choiceNote,
    }),
  ),
  usage: z.optional(usageSchema),
  prompt_token_ids: tokenIds,
})

export const chatChunkSchema = z.looseObject({
  ...head,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.looseObject({
      index: count,
      delta: z.looseObject({
        role: z.optional(z.literal('assistant')),
        content: z.nullish(z.string()),
      }),
      finish_reason: z.nullable(finishReason),
      token_ids: tokenIds,
      perigee: choiceNote,
    }),
  ),
  usage: z.nullish(usageSchema),
  prompt_token_ids: tokenIds,
})

export const textResponseSchema = z.looseObject({
  ...head,
  object: z.literal('text_completion'),
  choices: z.array(
    z.looseObject({
      index: count,
      text: z.string(),
      finish_reason: z.nullable(finishReason),
      token_ids: tokenIds,
      prompt_token_ids: tokenIds,
      perigee: choiceNote,
    }),
  ),
  usage: z.nullish(usageSchema),
})

export const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
  perigee: z.object({ capabilities: z.array(z.enum(CAPABILITIES)), context_tokens: z.nullable(count) }),
})

export const modelListSchema = z.object({ object: z.literal('list'), data: z.array(modelSchema) })

export const chatTurnResponseSchema = z.object({
  response: z.string(),
  conversation_id: z.string().check(z.regex(CONVERSATION_ID)),
  timestamp: z.iso.datetime(),
  model_used: z.string(),
  ...answerNote,
})

export const generateResponseSchema = z.object({ generated_text: z.string(), ...answerNote })

export const healthSchema = z.object({ status: z.literal('ok'), timestamp: z.iso.datetime() })

export const limitSchema = z.object({
  id: z.string(),
  object: z.literal('limit'),
  dimension: z.enum(LIMIT_DIMENSIONS),
  subject: z.string(),
  kind: z.enum(LIMIT_KINDS),
  amount: count,
  window_seconds: z.nullable(count),
  created_at: z.int(),
})

export const limitListSchema = listOf(limitSchema)

export const openAiErrorSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.nullable(z.string()),
    code: z.nullable(z.string()),
    request_id: z.optional(z.string()),
  }),
})

export const messageResponseSchema = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: z.string(),
  content: z.array(z.looseObject({ type: z.enum(['text', 'tool_use', 'thinking', 'redacted_thinking']) })),
  stop_reason: z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'refusal']),
  stop_sequence: z.nullable(z.string()),
  usage: z.object({
    input_tokens: z.int(),
    output_tokens: z.int(),
    cache_creation_input_tokens: z.int(),
    cache_read_input_tokens: z.int(),
  }),
})

export const countTokensResponseSchema = z.object({ input_tokens: z.int() })

export const anthropicErrorSchema = z.object({
  type: z.literal('error'),
  error: z.object({ type: z.string(), message: z.string(), code: z.string() }),
  request_id: z.string(),
})

/** RFC 6749 5.2. */
export const oauthErrorSchema = z.strictObject({
  error: z.enum(['invalid_request', 'invalid_grant', 'unsupported_grant_type', 'server_error']),
  error_description: z.string(),
  request_id: z.string(),
})

export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  retryable: z.boolean(),
  request_id: z.string(),
  param: z.optional(z.string()),
  /** Of content_blocked: the rule's name. */
  rule: z.optional(z.string()),
  /** Of a body with several mistakes: all of them. */
  errors: z.optional(z.array(z.object({ param: z.string(), detail: z.string() }))),
  /** When the first turn of a new conversation failed and is kept. */
  conversation_id: z.optional(z.string()),
  /** Of `rate_limited`: which limit is reached, as `endpoint-requests`. */
  limit: z.optional(z.string()),
})

/** Name in `components.schemas`, and a sentence. */
export const COMPONENTS = {
  ChatRequest: [
    promptedChatRequestSchema(),
    'A chat completion request. Fields that are not listed here pass through to the model.',
  ],
  Message: [messageSchema(), 'One message. Other fields (`name`, `tool_calls`, `tool_call_id`, ...) pass through.'],
  ChatResponse: [chatResponseSchema, 'The whole answer.'],
  ChatChunk: [chatChunkSchema, 'One event of a streamed answer.'],
  TextRequest: [
    textRequestSchema(),
    'A text completion request. Fields that are not listed here pass through to the model.',
  ],
  TextResponse: [textResponseSchema, 'The whole answer; the events of a stream have the same shape.'],
  MessagesRequest: [messagesRequestSchema, 'A message to answer. Fields that are not listed here are not handed on.'],
  MessageResponse: [messageResponseSchema, 'The whole answer.'],
  CountTokensRequest: [countTokensRequestSchema, 'What to count.'],
  CountTokensResponse: [countTokensResponseSchema, 'How many tokens.'],
  Usage: [usageSchema, 'What the answer cost, in tokens.'],
  ChatTurnRequest: [chatTurnRequestSchema(), 'One turn of a stored conversation. Unknown fields are refused.'],
  ChatTurnResponse: [chatTurnResponseSchema, 'The answer to the turn.'],
  GenerateRequest: [generateRequestSchema(), 'A text to continue. Unknown fields are refused.'],
  GenerateResponse: [generateResponseSchema, 'The continuation, without the text itself.'],
  FilterRuleRequest: [filterRuleSchema, 'One rule of the content filter: words, or kinds of data, or both.'],
  FilterRule: [filterRuleViewSchema, 'A rule as it is stored.'],
  FilterRuleList: [filterRuleListSchema, 'A page of rules, without their words.'],
  ModerationRequest: [moderationRequestSchema, 'Texts to look at. A list of parts is one text.'],
  ModerationResponse: [moderationResponseSchema, 'A result for each text.'],
  Model: [modelSchema, 'A model that this installation serves.'],
  ModelList: [modelListSchema, 'All models.'],
  NewPrompt: [newPromptSchema, 'A template and its first version.'],
  PromptChange: [promptChangeSchema, 'What may change of a template.'],
  NewPromptVersion: [newVersionSchema, 'A version: never changed once it is stored.'],
  LabelChange: [labelChangeSchema, 'Where a label points.'],
  RenderRequest: [renderRequestSchema, 'Which version to fill, and with what.'],
  Prompt: [promptSchema, 'A template.'],
  PromptList: [promptListSchema, 'A page of templates.'],
  PromptVersion: [promptVersionSchema, 'One version of a template.'],
  PromptVersionList: [promptVersionListSchema, 'A page of versions.'],
  RenderedPrompt: [renderedPromptSchema, 'The messages that the template becomes.'],
  NewLimit: [newLimitSchema, 'How much whom is allowed. Unknown fields are refused.'],
  LimitChange: [limitChangeSchema, 'How much a limit allows from now on. Unknown fields are refused.'],
  Limit: [limitSchema, 'A limit that the tenant has set.'],
  LimitList: [limitListSchema, 'A page of limits.'],
  CreateKey: [createKeySchema, 'A key to make. Unknown fields are refused.'],
  PatchKey: [patchKeySchema, 'What to change of a key. What is not given stays; null lifts a restriction.'],
  RotateKey: [rotateKeySchema, 'How to give a key a new text.'],
  Key: [keySchema, 'An API key, without its text.'],
  NewKey: [newKeySchema, 'An API key with its text, which is shown this once.'],
  KeyList: [keyListSchema, 'A page of keys, newest first.'],
  CreateTenant: [createTenantSchema, 'A tenant to make.'],
  PatchTenant: [patchTenantSchema, 'What to change of a tenant.'],
  Tenant: [tenantSchema, 'A tenant.'],
  TenantList: [tenantListSchema, 'A page of tenants, in the order of their ids.'],
  PutBudget: [putBudgetSchema, 'How much a budget allows.'],
  Budget: [budgetSchema, 'A budget in its present period.'],
  BudgetList: [budgetListSchema, 'A page of budgets.'],
  PutPrice: [putPriceSchema, "A model's price, in micro-units of the installation's currency for a million tokens."],
  Price: [priceSchema, "One version of a model's price."],
  PriceList: [priceListSchema, 'A page of prices.'],
  UsageRow: [usageRowSchema, 'One answer that was paid for.'],
  UsageList: [usageListSchema, 'A page of usage.'],
  UsageSum: [usageSumSchema, 'Usage of one day, model or key.'],
  UsageSumList: [usageSumListSchema, 'Sums of usage.'],
  RequestRow: [requestRowSchema, 'One completion.'],
  RequestDetails: [requestDetailsSchema, 'One completion in full.'],
  RequestList: [requestListSchema, 'A page of completions, newest first.'],
  Health: [healthSchema, 'The edge answers.'],
  RegionHealth: [regionHealthSchema, 'How deployments do in one region.'],
  DeploymentHealth: [deploymentHealthSchema, 'One deployment: its state, and why.'],
  AnnouncedServer: [announcedServerSchema, 'A server that announced itself and was heard of lately.'],
  Heartbeat: [
    heartbeatSchema,
    'Where an inference server is, and how much of it is taken. Unknown fields are refused.',
  ],
  ServerLoad: [serverLoadSchema, 'How much of a server is taken. Shares are from 0 to 1.'],
  HeartbeatAnswer: [heartbeatAnswerSchema, 'It was heard.'],
  TokenRequest: [tokenRequestSchema, 'A form of OAuth 2. Parameters that are not listed here are ignored.'],
  TokenResponse: [tokenResponseSchema, 'The tokens, and what they may do.'],
  Registration: [registrationSchema, 'An account for oneself.'],
  Logout: [logoutSchema, 'How much to end.'],
  PasswordChange: [passwordChangeSchema, 'The present password, and the one to come.'],
  Principal: [
    principalSchema,
    'Whom the key or token stands for. `user` is null for keys and for people of outside providers.',
  ],
  NewUser: [newUserSchema, 'A user to create.'],
  UserChange: [userChangeSchema, 'What to change; what is left out stays.'],
  User: [userSchema, 'A user. The password is not shown in any form.'],
  UserList: [userListSchema, 'Users, oldest first.'],
  NewIdentityProvider: [newIdentityProviderSchema, 'An outside identity provider to trust.'],
  IdentityProviderChange: [identityProviderChangeSchema, 'What to change; what is left out stays.'],
  IdentityProvider: [identityProviderSchema, 'An outside identity provider.'],
  IdentityProviderList: [identityProviderListSchema, 'All outside identity providers.'],
  RoutingConfig: [routingConfigSchema, 'The routing document: docs/routing.md explains each field.'],
  RoutingVersion: [wholeRoutingVersionSchema, 'A version of the routing document, with the document.'],
  RoutingVersionList: [routingVersionListSchema, 'A page of versions, newest first, without their documents.'],
  RoutingPlan: [routingPlanSchema, 'What a document would change, and what is wrong with it.'],
  RollbackRequest: [rollbackSchema, 'Which version to bring back.'],
  ModelAliasRequest: [modelConfigSchema, 'What an alias stands for. Unknown fields are refused.'],
  ModelAlias: [modelAliasSchema, 'What an alias stands for.'],
  ModelAliasList: [modelAliasListSchema, 'A page of aliases, in the order of their names.'],
  ModelAliasDeleted: [deletedModelAliasSchema, 'It is gone.'],
  DeploymentRequest: [deploymentConfigSchema, 'One place where a model answers. Unknown fields are refused.'],
  Deployment: [deploymentViewSchema, 'One place where a model answers.'],
  DeploymentList: [deploymentListSchema, 'A page of deployments, in the order of their names.'],
  DeploymentDeleted: [deletedDeploymentSchema, 'It is gone.'],
  Deleted: [deletedSchema, 'It is gone.'],
  OpenAiError: [openAiErrorSchema, "An error in OpenAI's envelope."],
  AnthropicError: [anthropicErrorSchema, "An error in Anthropic's envelope."],
  OAuthError: [oauthErrorSchema, 'An error as RFC 6749 5.2 has it.'],
  Problem: [problemSchema, 'An error as RFC 9457 problem details.'],
} as const satisfies Record<string, readonly [z.ZodMiniType, string]>

export type ComponentName = keyof typeof COMPONENTS
