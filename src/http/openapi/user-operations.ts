/** What the OpenAPI document says of signing in, users and identity providers. */
import { BODY, KEY, type Operation, PAGE_QUERY, TENANT_QUERY } from './operation.ts'

const CREATED = 1_764_000_000
const USER_ID = 'usr_0VBxK9Qa0000000000000000000000'
const USER = {
  id: USER_ID,
  object: 'user',
  tenant_id: 'tnt_default',
  email: 'ada@example.org',
  name: 'Ada',
  role: 'developer',
  status: 'active',
  created_at: CREATED,
}
const PROVIDER_ID = 'idp_0VBxK9Qa0000000000000000000000'
const NEW_PROVIDER = {
  issuer: 'https://login.example.org/',
  audience: 'perigee',
  jwks_uri: 'https://login.example.org/.well-known/jwks.json',
  role_claim: 'groups',
  roles: { 'llm-admins': 'admin', staff: 'member' },
}
const PROVIDER = {
  id: PROVIDER_ID,
  object: 'identity_provider',
  tenant_id: 'tnt_default',
  ...NEW_PROVIDER,
  status: 'active',
  default_role: null,
  tenant_claim: null,
  tenants: {},
  created_at: CREATED,
}

export const USER_OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /auth/token': {
    id: 'createToken',
    tag: 'Sign-in',
    summary: 'Sign in, or renew an access token',
    description:
      'OAuth 2 (RFC 6749 4.3 and 6): `grant_type=password` with `username` and `password`, or `grant_type=refresh_token`. Each ' +
      'refresh token is good once; one that comes again ends its session. After some wrong tries an account must wait, longer each time.',
    request: {
      schema: 'TokenRequest',
      type: 'application/x-www-form-urlencoded',
      example: { grant_type: 'password', username: 'ada@example.org', password: 'correct horse battery' },
    },
    answers: {
      'application/json': {
        schema: 'TokenResponse',
        example: {
          access_token: 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...',
          token_type: 'Bearer',
          expires_in: 1_800,
          refresh_token: 'pgr_ses_...',
          scope: 'chat prompts:read',
        },
      },
    },
    errors: [
      'invalid_request',
      'invalid_grant',
      'unsupported_grant_type',
      'body_too_large',
      'unsupported_media_type',
      'rate_limited',
      'not_configured',
      'store_unavailable',
    ],
  },
  'POST /auth/register': {
    status: 201,
    id: 'register',
    tag: 'Sign-in',
    summary: 'Open an account',
    description: 'Where `PERIGEE_SELF_REGISTRATION` is `on`; otherwise there is no such route. The role is `member`.',
    request: {
      schema: 'Registration',
      example: { email: 'ada@example.org', password: 'correct horse battery', name: 'Ada' },
    },
    answers: { 'application/json': { schema: 'User', example: { ...USER, role: 'member' } } },
    errors: [...BODY, 'not_found', 'already_exists', 'rate_limited', 'store_unavailable'],
  },
  'GET /auth/me': {
    id: 'whoAmI',
    tag: 'Sign-in',
    summary: 'Say whom the key or token stands for',
    description: 'For any valid key or token.',
    answers: {
      'application/json': {
        schema: 'Principal',
        example: {
          object: 'principal',
          tenant_id: 'tnt_default',
          key_id: USER_ID,
          user_id: USER_ID,
          scopes: ['chat', 'prompts:read'],
          user: { ...USER, role: 'member' },
        },
      },
    },
    errors: ['invalid_api_key', 'invalid_token', 'store_unavailable'],
  },
  'POST /auth/logout': {
    id: 'logout',
    tag: 'Sign-in',
    summary: 'Sign out',
    description:
      'Ends the session of the access token: it and its refresh token are good no more. The body may be left out.',
    request: { schema: 'Logout', example: { everywhere: false }, isOptional: true },
    answers: { 'application/json': { schema: 'Deleted', example: { object: 'session.deleted', deleted: true } } },
    errors: ['invalid_api_key', 'invalid_token', ...BODY, 'store_unavailable'],
  },
  'POST /auth/password': {
    id: 'changePassword',
    tag: 'Sign-in',
    summary: 'Change your own password',
    description:
      'For who signed in with it. The other sessions of the user end; the one that asks goes on. A wrong `current` counts as a try to sign in.',
    request: {
      schema: 'PasswordChange',
      example: { current: 'correct horse battery', new: 'staple, and a longer one' },
    },
    answers: { 'application/json': { schema: 'User', example: USER } },
    errors: ['invalid_api_key', 'invalid_token', ...BODY, 'rate_limited', 'stale_write', 'store_unavailable'],
  },
  'POST /admin/users': {
    status: 201,
    id: 'createUser',
    tag: 'Users',
    summary: 'Create a user',
    description: 'Nobody can give a role that may more than he himself may.',
    query: TENANT_QUERY,
    request: {
      schema: 'NewUser',
      example: { email: 'ada@example.org', password: 'correct horse battery', name: 'Ada', role: 'developer' },
    },
    answers: { 'application/json': { schema: 'User', example: USER } },
    errors: [...KEY, ...BODY, 'already_exists', 'store_unavailable'],
  },
  'GET /admin/users': {
    id: 'listUsers',
    tag: 'Users',
    summary: 'List the users',
    description: 'Oldest first.',
    query: { ...PAGE_QUERY, ...TENANT_QUERY },
    answers: {
      'application/json': {
        schema: 'UserList',
        example: { object: 'list', data: [USER], has_more: true, next: USER_ID },
      },
    },
    errors: [...KEY, 'invalid_request', 'store_unavailable'],
  },
  'GET /admin/users/:id': {
    id: 'retrieveUser',
    tag: 'Users',
    summary: 'Describe a user',
    description: 'Never shows the password.',
    query: TENANT_QUERY,
    answers: { 'application/json': { schema: 'User', example: USER } },
    errors: [...KEY, 'invalid_request', 'resource_not_found', 'store_unavailable'],
  },
  'PATCH /admin/users/:id': {
    id: 'changeUser',
    tag: 'Users',
    summary: 'Change a user',
    description:
      'A new role takes effect within 10 seconds, also for tokens that are out. A new password and the status `disabled` end all sessions.',
    query: TENANT_QUERY,
    request: { schema: 'UserChange', example: { role: 'admin' } },
    answers: { 'application/json': { schema: 'User', example: { ...USER, role: 'admin' } } },
    errors: [...KEY, ...BODY, 'resource_not_found', 'stale_write', 'store_unavailable'],
  },
  'DELETE /admin/users/:id': {
    id: 'deleteUser',
    tag: 'Users',
    summary: 'Delete a user',
    description: 'Ends all sessions, within 10 seconds.',
    query: TENANT_QUERY,
    answers: {
      'application/json': { schema: 'Deleted', example: { id: USER_ID, object: 'user.deleted', deleted: true } },
    },
    errors: [...KEY, 'invalid_request', 'resource_not_found', 'store_unavailable'],
  },
  'POST /admin/identity-providers': {
    status: 201,
    id: 'createIdentityProvider',
    tag: 'Users',
    summary: 'Trust an outside identity provider',
    description:
      'Its tokens (JWTs signed with RS256, ES256 or EdDSA) are then accepted wherever an API key is. Who has none of the mapped roles gets ' +
      '`default_role`, or is refused where there is none.',
    request: { schema: 'NewIdentityProvider', example: NEW_PROVIDER },
    answers: { 'application/json': { schema: 'IdentityProvider', example: PROVIDER } },
    errors: [...KEY, ...BODY, 'already_exists', 'store_unavailable'],
  },
  'GET /admin/identity-providers': {
    id: 'listIdentityProviders',
    tag: 'Users',
    summary: 'List the outside identity providers',
    description: 'Oldest first.',
    query: PAGE_QUERY,
    answers: {
      'application/json': {
        schema: 'IdentityProviderList',
        example: { object: 'list', data: [PROVIDER], has_more: false },
      },
    },
    errors: [...KEY, 'store_unavailable'],
  },
  'GET /admin/identity-providers/:id': {
    id: 'retrieveIdentityProvider',
    tag: 'Users',
    summary: 'Describe an outside identity provider',
    description: 'As it was given.',
    answers: { 'application/json': { schema: 'IdentityProvider', example: PROVIDER } },
    errors: [...KEY, 'resource_not_found', 'store_unavailable'],
  },
  'PATCH /admin/identity-providers/:id': {
    id: 'changeIdentityProvider',
    tag: 'Users',
    summary: 'Change an outside identity provider',
    description:
      'Takes effect within 10 seconds, also for tokens that are out. The issuer and the audience stay as they are.',
    request: { schema: 'IdentityProviderChange', example: { status: 'disabled' } },
    answers: { 'application/json': { schema: 'IdentityProvider', example: { ...PROVIDER, status: 'disabled' } } },
    errors: [...KEY, ...BODY, 'resource_not_found', 'store_unavailable'],
  },
  'DELETE /admin/identity-providers/:id': {
    id: 'deleteIdentityProvider',
    tag: 'Users',
    summary: 'Trust an outside identity provider no more',
    description: 'Takes effect within 10 seconds, also for tokens that are out.',
    answers: {
      'application/json': {
        schema: 'Deleted',
        example: { id: PROVIDER_ID, object: 'identity_provider.deleted', deleted: true },
      },
    },
    errors: [...KEY, 'resource_not_found', 'store_unavailable'],
  },
}
