/** What the document says of one route, and the errors that many share. */
import type { ErrorCode } from '../../errors.ts'
import type { ComponentName } from './schemas.ts'

export type Operation = {
  id: string
  tag:
    | 'Completions'
    | 'Messages'
    | 'Models'
    | 'Conversations'
    | 'Prompts'
    | 'Budgets'
    | 'Requests'
    | 'Routing'
    | 'Sign-in'
    | 'Users'
    | 'Administration'
    | 'Operation'
  summary: string
  description: string
  /** What each parameter of the query means. */
  query?: Readonly<Record<string, string>>
  /** `type` where it is not JSON. `isOptional`: an empty body means the defaults. */
  request?: { schema: ComponentName; example: object; type?: string; isOptional?: true }
  /** Of a success; 200 unless said otherwise. */
  status?: 201
  /** The answers with that status, by media type. */
  answers: Readonly<Record<string, { schema?: ComponentName; example?: unknown }>>
  /** Beyond those that any route may give. */
  errors: readonly ErrorCode[]
}

export const KEY: readonly ErrorCode[] = [
  'invalid_api_key',
  'invalid_token',
  'permission_denied',
  'rate_limited',
  'store_unavailable',
]
export const BODY: readonly ErrorCode[] = [
  'invalid_json',
  'invalid_request',
  'body_too_large',
  'unsupported_media_type',
]

export const PAGE_QUERY = {
  limit: 'How many at most, from 1 to 100. Default 20.',
  after: 'Those after this one: `next` of the page before.',
} as const

export const TENANT_QUERY = {
  tenant_id: 'Another tenant than your own: needs the scope `tenants:read`, to write `tenants:write`.',
} as const

/** Of routes that ask a model. */
export const MODEL: readonly ErrorCode[] = [
  'model_not_found',
  'context_length_exceeded',
  'upstream_rejected',
  'upstream_rate_limited',
  'upstream_unavailable',
  'upstream_misconfigured',
  'upstream_interrupted',
  'upstream_overloaded',
  'upstream_timeout',
]
