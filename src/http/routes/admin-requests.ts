/** `/admin/requests`: every completion, answered or refused, and one in full. */
import * as z from 'zod/mini'
import type { AttemptRecord } from '../../chat/ports.ts'
import { logCursorSchema, requestFilters } from '../../contract/request-log.ts'
import { AppError } from '../../errors.ts'
import { listObject, pageFields } from '../page-query.ts'
import type { RequestDetails, RequestRecord } from '../ports.ts'
import { readQuery } from '../read-query.ts'
import type { Route } from '../route.ts'
import { targetTenant, tenantField, tenantQuery } from '../target-tenant.ts'

const READ = { method: 'GET', errors: 'problem', access: { scope: 'usage:read' } } as const
const LIST = z.strictObject({ ...pageFields(logCursorSchema), ...tenantField, ...requestFilters })

export const listRequests: Route = {
  ...READ,
  path: '/admin/requests',
  async handle(context) {
    const query = readQuery(context, LIST)
    const tenantId = targetTenant(context, query.tenant_id, 'tenants:read')
    const page = await context.get('ports').requests.list(tenantId, {
      limit: query.limit,
      after: query.after,
      fromMs: query.from,
      toMs: query.to,
      keyId: query.key_id,
      userId: query.user_id,
      model: query.model,
      requestId: query.request_id,
      status: query.status,
      code: query.code,
      cache: query.cache,
      attempts: query.attempts,
    })
    return context.json(listObject(page, requestObject, ({ id }) => id))
  },
}

export const retrieveRequest: Route = {
  ...READ,
  path: '/admin/requests/:id',
  async handle(context) {
    const { tenant_id } = readQuery(context, tenantQuery)
    const tenantId = targetTenant(context, tenant_id, 'tenants:read')
    const found = await context.get('ports').requests.find(tenantId, context.req.param('id') ?? '')
    if (!found) throw new AppError('resource_not_found', 'There is no such request in the log.')
    return context.json(detailsObject(found))
  },
}

function requestObject(record: RequestRecord): object {
  return {
    id: record.id,
    object: 'request',
    request_id: record.requestId,
    endpoint: record.endpoint ?? null,
    client: record.client ?? null,
    key_id: record.keyId,
    user_id: record.userId ?? null,
    model: record.model,
    deployment: record.deployment ?? null,
    status: record.status,
    code: record.code,
    cache: record.cache ?? null,
    stream: record.stream,
    prompt_tokens: record.promptTokens ?? null,
    cached_tokens: record.cachedTokens ?? null,
    completion_tokens: record.completionTokens ?? null,
    cost_nano: record.costNano ?? null,
    started_at_ms: record.startedAtMs,
    first_token_ms: record.firstTokenMs ?? null,
    total_ms: record.totalMs,
    attempts: record.attempts,
    continued: record.continued,
  }
}

function detailsObject({ stages, calls, ...record }: RequestDetails): object {
  return {
    ...requestObject(record),
    stages: Object.entries(stages).map(([name, ms]) => ({ name, ms })),
    calls: calls.map((call) => callObject(call, record.startedAtMs)),
  }
}

function callObject(call: AttemptRecord, startedAtMs: number): object {
  return {
    deployment: { id: call.deploymentId, model: call.model },
    kind: call.kind,
    by: call.by ?? null,
    /** From the request's start. */
    began_ms: call.startedAtMs - startedAtMs,
    first_token_ms: call.firstTokenMs ?? null,
    ms: call.ms ?? null,
    code: call.code ?? 'ok',
  }
}
