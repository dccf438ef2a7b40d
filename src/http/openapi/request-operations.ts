/** What the document says of the log of requests. Not in the bundle: see schemas.ts. */
import { KEY, type Operation, PAGE_QUERY, TENANT_QUERY } from './operation.ts'

const DEPLOYMENT = { id: 'default', model: 'smollm2-135m-instruct' }
const ROW = {
  id: 'log_0mx4k1c2b4f9c2a7b1z',
  object: 'request',
  request_id: 'req_7d0e1c',
  endpoint: 'POST /v1/chat/completions',
  client: 'OpenAI/JS 7.57.0',
  key_id: 'key_1',
  user_id: null,
  model: 'smollm2-135m-instruct',
  deployment: DEPLOYMENT,
  status: 200,
  code: 'ok',
  cache: 'miss',
  stream: true,
  prompt_tokens: 37,
  cached_tokens: 0,
  completion_tokens: 9,
  cost_nano: 10_950,
  started_at_ms: 1_795_510_800_123,
  first_token_ms: 84,
  total_ms: 412,
  attempts: 1,
  continued: false,
}
const DETAILS = {
  ...ROW,
  stages: [
    { name: 'received', ms: 1 },
    { name: 'alias', ms: 0 },
    { name: 'model', ms: 83 },
    { name: 'answer', ms: 328 },
  ],
  calls: [{ deployment: DEPLOYMENT, kind: 'first', by: null, began_ms: 2, first_token_ms: 82, ms: 409, code: 'ok' }],
}

export const REQUEST_OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /admin/requests': {
    id: 'listRequests',
    tag: 'Requests',
    summary: 'List completions, answered or refused',
    description:
      'Newest first, some seconds after they ended, without what was said. A request that was refused before its model was looked at (key, rate limit, body) is not among them. The key needs the scope `usage:read`.',
    query: {
      ...PAGE_QUERY,
      ...TENANT_QUERY,
      from: 'Requests that began at this time or later, in seconds since 1970.',
      to: 'Requests that began before this time.',
      key_id: 'Of this key.',
      user_id: "Of this user: the token's, or under a server key the body's `user`.",
      model: 'Of this model, as the caller named it.',
      request_id: 'With this `x-request-id`.',
      status: '`ok`, `error`, or a status as 429.',
      code: '`ok`, or an error code.',
      cache: '`hit`, `miss`, `join` or `bypass`.',
      attempts: 'With at least so many calls of deployments.',
    },
    answers: {
      'application/json': { schema: 'RequestList', example: { object: 'list', data: [ROW], has_more: false } },
    },
    errors: [...KEY, 'invalid_request'],
  },
  'GET /admin/requests/:id': {
    id: 'retrieveRequest',
    tag: 'Requests',
    summary: 'Show one completion in full',
    description:
      'With the milliseconds of each step, and each call of a deployment with its reason and timing. The id is that of the list, or the `x-request-id` of the answer: then the newest with it.',
    query: TENANT_QUERY,
    answers: { 'application/json': { schema: 'RequestDetails', example: DETAILS } },
    errors: [...KEY, 'invalid_request', 'resource_not_found'],
  },
}
