/** What the document says of the content filter. Not in the bundle: see schemas.ts. */
import { BODY, KEY, type Operation, PAGE_QUERY, TENANT_QUERY } from './operation.ts'

const FILTER_RULE = {
  name: 'insults',
  version: 3,
  action: 'mask',
  category: 'harassment',
  on: 'both',
  match: 'auto',
  word_count: 2,
  updated_at: 1_795_521_600,
}
const FILTER_WORDS = ['moron', '笨蛋']
const FILTER_CONDITIONS =
  'With `If-Match` and the `ETag` of a read nothing that has changed since is overwritten; `If-None-Match: *` writes only what is not there.'

export const FILTER_OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /v1/moderations': {
    id: 'createModeration',
    tag: 'Completions',
    summary: 'Ask which rules of the content filter texts fall under',
    description:
      "As OpenAI's, answered by the tenant's own rules: their categories stand beside OpenAI's, and a score is 1 or 0. `model` is taken and not used.",
    request: { schema: 'ModerationRequest', example: { input: 'You moron!' } },
    answers: {
      'application/json': {
        schema: 'ModerationResponse',
        example: {
          id: 'modr-7d0e1c',
          model: 'perigee-rules',
          results: [
            {
              flagged: true,
              categories: { harassment: true },
              category_scores: { harassment: 1 },
              category_applied_input_types: { harassment: ['text'] },
            },
          ],
        },
      },
    },
    errors: [...KEY, ...BODY, 'store_unavailable'],
  },
  'GET /admin/filters': {
    id: 'listFilterRules',
    tag: 'Administration',
    summary: 'List the rules of the content filter',
    description: 'In the order of their names, without their words. The key needs the scope `filters:read`.',
    query: { ...PAGE_QUERY, ...TENANT_QUERY },
    answers: {
      'application/json': {
        schema: 'FilterRuleList',
        example: { object: 'list', data: [FILTER_RULE], has_more: false },
      },
    },
    errors: [...KEY, 'invalid_request', 'store_unavailable'],
  },
  'GET /admin/filters/:name': {
    id: 'getFilterRule',
    tag: 'Administration',
    summary: 'Read one rule',
    description: 'With its words; its version is the `ETag`.',
    query: TENANT_QUERY,
    answers: {
      'application/json': { schema: 'FilterRule', example: { ...FILTER_RULE, words: FILTER_WORDS } },
    },
    errors: [...KEY, 'invalid_request', 'resource_not_found', 'store_unavailable'],
  },
  'PUT /admin/filters/:name': {
    id: 'putFilterRule',
    tag: 'Administration',
    summary: 'Write one rule',
    description: `The whole of it; it holds everywhere within seconds. ${FILTER_CONDITIONS} The key needs the scope \`filters:write\`.`,
    query: TENANT_QUERY,
    request: {
      schema: 'FilterRuleRequest',
      example: { action: 'mask', category: 'harassment', words: FILTER_WORDS },
    },
    answers: {
      'application/json': { schema: 'FilterRule', example: { ...FILTER_RULE, words: FILTER_WORDS } },
    },
    errors: [...KEY, ...BODY, 'stale_write', 'store_unavailable'],
  },
  'DELETE /admin/filters/:name': {
    id: 'deleteFilterRule',
    tag: 'Administration',
    summary: 'Delete one rule',
    description: 'With `If-Match` only the version that was read.',
    query: TENANT_QUERY,
    answers: {
      'application/json': { schema: 'Deleted', example: { id: 'insults', object: 'filter.deleted', deleted: true } },
    },
    errors: [...KEY, 'invalid_request', 'resource_not_found', 'stale_write', 'store_unavailable'],
  },
}
