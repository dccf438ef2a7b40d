/** What the document says of `/admin/keys` and `/admin/tenants`. Not in the bundle: see schemas.ts. */
import type { ErrorCode } from '../../errors.ts'
import { BODY, KEY, type Operation, PAGE_QUERY, TENANT_QUERY } from './operation.ts'

const ADMIN: readonly ErrorCode[] = [...KEY, 'origin_not_allowed', 'invalid_request', 'store_unavailable']
const ADMIN_BODY: readonly ErrorCode[] = [...new Set<ErrorCode>([...ADMIN, ...BODY])]
const KEY_EXAMPLE = {
  object: 'api_key',
  id: 'key_4hT94hT94hT94hT94hT9',
  tenant_id: 'tnt_default',
  name: 'web page',
  status: 'active',
  role: 'member',
  scopes: ['chat', 'prompts:read'],
  models: null,
  allowed_origins: ['https://app.example.com'],
  allowed_networks: null,
  created_at: 1_764_000_000,
  rotated_at: null,
  previous_valid_until: null,
  expires_at: null,
  revoked_at: null,
}
const NEW_KEY_EXAMPLE = { ...KEY_EXAMPLE, key: `pg_${'4hT9'.repeat(12)}4` }
const TENANT_EXAMPLE = {
  object: 'tenant',
  id: 'tnt_4hT94hT94hT94hT94hT9',
  name: 'Example Ltd',
  status: 'active',
  created_at: 1_764_000_000,
  updated_at: 1_764_000_000,
}
const keyAnswer = { 'application/json': { schema: 'Key', example: KEY_EXAMPLE } } as const
const newKeyAnswer = { 'application/json': { schema: 'NewKey', example: NEW_KEY_EXAMPLE } } as const
const tenantAnswer = { 'application/json': { schema: 'Tenant', example: TENANT_EXAMPLE } } as const

export const ADMIN_OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /admin/keys': {
    id: 'createKey',
    tag: 'Administration',
    summary: 'Make an API key',
    description:
      'Its text is in this answer and nowhere else. You can give only scopes and models that you have. Without `role` and `scopes` the key is ' +
      'a `member`. Needs the scope `keys:write`.',
    query: TENANT_QUERY,
    request: {
      schema: 'CreateKey',
      example: { name: 'web page', role: 'member', allowed_origins: ['https://app.example.com'] },
    },
    status: 201,
    answers: newKeyAnswer,
    errors: [...ADMIN_BODY, 'resource_not_found'],
  },
  'GET /admin/keys': {
    id: 'listKeys',
    tag: 'Administration',
    summary: 'List API keys',
    description: 'Newest first, revoked and expired ones too. Needs the scope `keys:read`.',
    query: { ...PAGE_QUERY, ...TENANT_QUERY },
    answers: {
      'application/json': { schema: 'KeyList', example: { object: 'list', data: [KEY_EXAMPLE], has_more: false } },
    },
    errors: ADMIN,
  },
  'GET /admin/keys/:key_id': {
    id: 'getKey',
    tag: 'Administration',
    summary: 'One API key',
    description: 'Without its text, which nobody can read again. Needs the scope `keys:read`.',
    query: TENANT_QUERY,
    answers: keyAnswer,
    errors: [...ADMIN, 'resource_not_found'],
  },
  'PATCH /admin/keys/:key_id': {
    id: 'patchKey',
    tag: 'Administration',
    summary: 'Change an API key',
    description: 'You must have all scopes and models that the key has before and after. Needs the scope `keys:write`.',
    query: TENANT_QUERY,
    request: { schema: 'PatchKey', example: { name: 'old web page', expires_at: 1_893_456_000 } },
    answers: keyAnswer,
    errors: [...ADMIN_BODY, 'resource_not_found', 'stale_write'],
  },
  'POST /admin/keys/:key_id/rotate': {
    id: 'rotateKey',
    tag: 'Administration',
    summary: 'Give an API key a new text',
    description:
      'The old one stays valid for `overlap_seconds`, at most 30 days; not at all where the body is left out. Needs the scope `keys:write`.',
    query: TENANT_QUERY,
    request: { schema: 'RotateKey', example: { overlap_seconds: 3_600 }, isOptional: true },
    answers: newKeyAnswer,
    errors: [...ADMIN_BODY, 'resource_not_found', 'stale_write'],
  },
  'DELETE /admin/keys/:key_id': {
    id: 'revokeKey',
    tag: 'Administration',
    summary: 'Revoke an API key',
    description: 'For ever, everywhere within 10 s. It stays in the list. Needs the scope `keys:write`.',
    query: TENANT_QUERY,
    answers: keyAnswer,
    errors: [...ADMIN, 'resource_not_found'],
  },
  'POST /admin/tenants': {
    id: 'createTenant',
    tag: 'Administration',
    summary: 'Make a tenant',
    description:
      'Then make its first key: `POST /admin/keys?tenant_id=...` with the role `owner`. Needs the scope `tenants:write`, which only keys of the tenant `tnt_default` can have.',
    request: { schema: 'CreateTenant', example: { name: 'Example Ltd' } },
    status: 201,
    answers: tenantAnswer,
    errors: [...ADMIN_BODY, 'already_exists'],
  },
  'GET /admin/tenants': {
    id: 'listTenants',
    tag: 'Administration',
    summary: 'List tenants',
    description: 'Needs the scope `tenants:read`.',
    query: PAGE_QUERY,
    answers: {
      'application/json': {
        schema: 'TenantList',
        example: { object: 'list', data: [TENANT_EXAMPLE], has_more: false },
      },
    },
    errors: ADMIN,
  },
  'GET /admin/tenants/:tenant_id': {
    id: 'getTenant',
    tag: 'Administration',
    summary: 'One tenant',
    description: 'Needs the scope `tenants:read`.',
    answers: tenantAnswer,
    errors: [...ADMIN, 'resource_not_found'],
  },
  'PATCH /admin/tenants/:tenant_id': {
    id: 'patchTenant',
    tag: 'Administration',
    summary: 'Rename, suspend or resume a tenant',
    description:
      'The keys of a suspended tenant and the tokens of its users are not valid. Needs the scope `tenants:write`.',
    request: { schema: 'PatchTenant', example: { status: 'suspended' } },
    answers: tenantAnswer,
    errors: [...ADMIN_BODY, 'resource_not_found', 'already_exists'],
  },
  'DELETE /admin/tenants/:tenant_id': {
    id: 'deleteTenant',
    tag: 'Administration',
    summary: 'Delete a tenant',
    description:
      'Its keys are revoked; its users, limits, budgets, filter rules and prompt templates are deleted. Its id is never given again. Needs the scope `tenants:write`.',
    answers: {
      'application/json': {
        schema: 'Deleted',
        example: { id: 'tnt_4hT94hT94hT94hT94hT9', object: 'tenant.deleted', deleted: true },
      },
    },
    errors: [...ADMIN, 'resource_not_found'],
  },
}
