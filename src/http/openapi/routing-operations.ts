/** What the document says of the routing document's routes. Not in the bundle: see schemas.ts. */
import { BODY, KEY, type Operation, PAGE_QUERY } from './operation.ts'

const DEPLOYMENT = {
  adapter: 'openai',
  url: 'https://gpu-1.example.com',
  model: 'llama-3.1-8b',
  secret: 'UPSTREAM_GPU',
}
const MODEL = { targets: [{ deployment: 'gpu-1', weight: 3 }, { deployment: 'gpu-2' }], strategy: 'weighted' }
const CONFIG = {
  deployments: { 'gpu-1': DEPLOYMENT, 'gpu-2': { ...DEPLOYMENT, url: 'https://gpu-2.example.com' } },
  models: { chat: MODEL },
}
const DIFF = [{ path: 'models.chat.targets.0.weight', change: 'changed', before: 1, after: 3 }]
const VERSION = {
  object: 'routing_version',
  version: 7,
  created_at: 1_795_521_600,
  created_by: { key_id: 'key_4hT94hT94hT94hT94hT9' },
  comment: 'More to the first',
  changes: 1,
  diff: DIFF,
}
const WHOLE = { 'application/json': { schema: 'RoutingVersion', example: { ...VERSION, config: CONFIG } } } as const
const ONE_MODEL = {
  'application/json': { schema: 'ModelAlias', example: { id: 'chat', object: 'model_alias', ...MODEL } },
} as const
const ONE_DEPLOYMENT = {
  'application/json': { schema: 'Deployment', example: { id: 'gpu-1', object: 'deployment', ...DEPLOYMENT } },
} as const

const READS = 'The key needs the scope `routing:read`.'
const WRITES =
  'The whole configuration is checked and stored as its next version, or refused with all mistakes in `errors`; it holds everywhere within ten seconds. ' +
  '`If-Match` with the `ETag` of a read refuses to overwrite what has changed since. The key needs the scope `routing:write`.'
const COMMENT = { comment: 'Why, for the list of versions.' } as const
const FOUND = [...KEY, 'resource_not_found'] as const
const list = (item: object) => ({ object: 'list', data: [item], has_more: false })

export const ROUTING_OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /admin/config': {
    id: 'getConfig',
    tag: 'Routing',
    summary: 'Read the configuration that holds',
    description: `Version 0 is what the settings say, until something is applied. ${READS}`,
    answers: WHOLE,
    errors: KEY,
  },
  'PUT /admin/config': {
    id: 'putConfig',
    tag: 'Routing',
    summary: 'Replace the configuration',
    description: WRITES,
    query: COMMENT,
    request: { schema: 'RoutingConfig', example: CONFIG },
    answers: WHOLE,
    errors: [...KEY, ...BODY, 'stale_write'],
  },
  'POST /admin/config/plan': {
    id: 'planConfig',
    tag: 'Routing',
    summary: 'Say what a configuration would change',
    description: `Writes nothing. What is wrong with it is in \`errors\`, all of it. ${READS}`,
    request: { schema: 'RoutingConfig', example: CONFIG },
    answers: {
      'application/json': {
        schema: 'RoutingPlan',
        example: { object: 'routing_plan', version: 6, valid: true, errors: [], changes: 1, diff: DIFF },
      },
    },
    errors: [...KEY, ...BODY],
  },
  'GET /admin/config/versions': {
    id: 'listConfigVersions',
    tag: 'Routing',
    summary: 'List the versions of the configuration',
    description: `Newest first, the last 1,000: who changed what, when and why. ${READS}`,
    query: PAGE_QUERY,
    answers: { 'application/json': { schema: 'RoutingVersionList', example: list(VERSION) } },
    errors: [...KEY, 'invalid_request'],
  },
  'GET /admin/config/versions/:number': {
    id: 'getConfigVersion',
    tag: 'Routing',
    summary: 'Read one version of the configuration',
    description: READS,
    answers: WHOLE,
    errors: FOUND,
  },
  'POST /admin/config/rollback': {
    id: 'rollBackConfig',
    tag: 'Routing',
    summary: 'Bring an earlier version back',
    description: `Its document becomes the next version. ${WRITES}`,
    query: COMMENT,
    request: { schema: 'RollbackRequest', example: { version: 6, comment: 'gpu-2 was not ready' } },
    answers: WHOLE,
    errors: [...FOUND, ...BODY, 'stale_write'],
  },
  'GET /admin/models': {
    id: 'listModelAliases',
    tag: 'Routing',
    summary: 'List the aliases and what they stand for',
    description: READS,
    query: PAGE_QUERY,
    answers: {
      'application/json': {
        schema: 'ModelAliasList',
        example: list({ id: 'chat', object: 'model_alias', ...MODEL }),
      },
    },
    errors: [...KEY, 'invalid_request'],
  },
  'GET /admin/models/:alias': {
    id: 'getModelAlias',
    tag: 'Routing',
    summary: 'Read what an alias stands for',
    description: READS,
    answers: ONE_MODEL,
    errors: FOUND,
  },
  'PUT /admin/models/:alias': {
    id: 'putModelAlias',
    tag: 'Routing',
    summary: 'Say what an alias stands for',
    description: `The whole of it. ${WRITES}`,
    query: COMMENT,
    request: { schema: 'ModelAliasRequest', example: MODEL },
    answers: ONE_MODEL,
    errors: [...KEY, ...BODY, 'stale_write'],
  },
  'DELETE /admin/models/:alias': {
    id: 'deleteModelAlias',
    tag: 'Routing',
    summary: 'Remove an alias',
    description: WRITES,
    query: COMMENT,
    answers: {
      'application/json': {
        schema: 'ModelAliasDeleted',
        example: { id: 'chat', object: 'model_alias.deleted', deleted: true },
      },
    },
    errors: [...FOUND, 'invalid_request', 'stale_write'],
  },
  'GET /admin/routes': {
    id: 'listDeployments',
    tag: 'Routing',
    summary: 'List the deployments',
    description: `Of credentials the name of the secret alone. ${READS}`,
    query: PAGE_QUERY,
    answers: {
      'application/json': {
        schema: 'DeploymentList',
        example: list({ id: 'gpu-1', object: 'deployment', ...DEPLOYMENT }),
      },
    },
    errors: [...KEY, 'invalid_request'],
  },
  'GET /admin/routes/:id': {
    id: 'getDeployment',
    tag: 'Routing',
    summary: 'Read one deployment',
    description: READS,
    answers: ONE_DEPLOYMENT,
    errors: FOUND,
  },
  'PUT /admin/routes/:id': {
    id: 'putDeployment',
    tag: 'Routing',
    summary: 'Write one deployment',
    description: `The whole of it. ${WRITES}`,
    query: COMMENT,
    request: { schema: 'DeploymentRequest', example: DEPLOYMENT },
    answers: ONE_DEPLOYMENT,
    errors: [...KEY, ...BODY, 'stale_write'],
  },
  'DELETE /admin/routes/:id': {
    id: 'deleteDeployment',
    tag: 'Routing',
    summary: 'Remove a deployment',
    description: `Refused while a model names it. ${WRITES}`,
    query: COMMENT,
    answers: {
      'application/json': {
        schema: 'DeploymentDeleted',
        example: { id: 'gpu-1', object: 'deployment.deleted', deleted: true },
      },
    },
    errors: [...FOUND, 'invalid_request', 'stale_write'],
  },
}
