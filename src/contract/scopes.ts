/** What a key or a token may do. A route names the one that it needs; src/auth/roles.ts says which a role has. */
export const SCOPES = [
  /** Completions, conversations, embeddings, moderations, the list of models. */
  'chat',
  'prompts:read',
  'prompts:write',
  'filters:read',
  'filters:write',
  'limits:read',
  'limits:write',
  'usage:read',
  'keys:read',
  'keys:write',
  'users:read',
  'users:write',
  'metrics:read',
  /** Models, deployments and how requests are routed: the installation's. */
  'routing:read',
  'routing:write',
  /** Tenants themselves, budgets and prices: what only who runs the installation may change. */
  'tenants:read',
  'tenants:write',
] as const

export type Scope = (typeof SCOPES)[number]
