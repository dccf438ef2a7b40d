/** What the document says of `/admin/limits`. Not in the bundle: see schemas.ts. */
import { BODY, KEY, type Operation, PAGE_QUERY, TENANT_QUERY } from './operation.ts'

const LIMIT = {
  id: `lim_${'4f'.repeat(16)}`,
  object: 'limit',
  dimension: 'key',
  subject: '*',
  kind: 'tokens',
  amount: 100_000,
  window_seconds: 60,
  created_at: 1_764_000_000,
}
const ONE_LIMIT = { 'application/json': { schema: 'Limit', example: LIMIT } } as const

export const LIMIT_OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /admin/limits': {
    id: 'listLimits',
    tag: 'Administration',
    summary: "List the tenant's limits",
    description:
      'Those that were set; for all else the shipped limits hold. Ordered by id. The key needs the scope `limits:read`.',
    query: { ...PAGE_QUERY, ...TENANT_QUERY },
    answers: {
      'application/json': { schema: 'LimitList', example: { object: 'list', data: [LIMIT], has_more: false } },
    },
    errors: [...KEY, 'invalid_request'],
  },
  'POST /admin/limits': {
    id: 'createLimit',
    tag: 'Administration',
    summary: 'Set a limit',
    description: 'It holds everywhere within ten seconds. The key needs the scope `limits:write`.',
    query: TENANT_QUERY,
    request: {
      schema: 'NewLimit',
      example: { dimension: 'key', kind: 'tokens', amount: 100_000, window_seconds: 60 },
    },
    status: 201,
    answers: ONE_LIMIT,
    errors: [...KEY, ...BODY, 'already_exists'],
  },
  'GET /admin/limits/:id': {
    id: 'retrieveLimit',
    tag: 'Administration',
    summary: 'Show a limit',
    description: 'The key needs the scope `limits:read`.',
    query: TENANT_QUERY,
    answers: ONE_LIMIT,
    errors: [...KEY, 'resource_not_found'],
  },
  'PATCH /admin/limits/:id': {
    id: 'changeLimit',
    tag: 'Administration',
    summary: 'Change how much a limit allows',
    description: 'What was used in the current window stays used. The key needs the scope `limits:write`.',
    query: TENANT_QUERY,
    request: { schema: 'LimitChange', example: { amount: 200_000 } },
    answers: ONE_LIMIT,
    errors: [...KEY, ...BODY, 'resource_not_found', 'already_exists'],
  },
  'DELETE /admin/limits/:id': {
    id: 'deleteLimit',
    tag: 'Administration',
    summary: 'Remove a limit',
    description: 'The shipped one holds again, if there is one. The key needs the scope `limits:write`.',
    query: TENANT_QUERY,
    answers: {
      'application/json': { schema: 'Deleted', example: { id: LIMIT.id, object: 'limit.deleted', deleted: true } },
    },
    errors: [...KEY, 'resource_not_found'],
  },
}
