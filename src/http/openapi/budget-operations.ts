/** What the document says of budgets, prices and usage. Not in the bundle: see schemas.ts. */
import { BODY, KEY, type Operation, PAGE_QUERY, TENANT_QUERY } from './operation.ts'

const BUDGET = {
  id: 'day-tokens-key_1',
  object: 'budget',
  period: 'day',
  unit: 'tokens',
  key_id: 'key_1',
  limit: 1_000_000,
  spent: 412_034,
  presumed: 0,
  reserved: 20_480,
  left: 567_486,
  resets_at: 1_795_564_800,
  version: 1,
  updated_at: 1_795_510_800,
}
const PRICE = {
  object: 'price',
  model: 'smollm2-135m-instruct',
  version: 2,
  input: 150_000,
  cached_input: 75_000,
  output: 600_000,
  since: 1_795_510_800,
}
const USAGE = {
  id: '5b1c6e0a-41',
  object: 'usage',
  request_id: 'req_7d0e1c',
  key_id: 'key_1',
  user_id: null,
  model: 'smollm2-135m-instruct',
  prompt_tokens: 37,
  cached_tokens: 0,
  completion_tokens: 9,
  charged_tokens: 46,
  cost_nano: 10_950,
  price_version: 2,
  started_at: 1_795_510_800,
  ended_at: 1_795_510_801,
}
const SUM = {
  object: 'usage.sum',
  day: '2026-11-24',
  requests: 1,
  prompt_tokens: 37,
  cached_tokens: 0,
  completion_tokens: 9,
  cost_nano: 10_950,
}

const FILTERS = {
  ...TENANT_QUERY,
  from: 'Requests that began at this time or later, in seconds since 1970.',
  to: 'Requests that began before this time.',
  key_id: 'Of this key.',
  user_id: 'Of this user.',
  model: 'Of this model.',
}
const ONE_BUDGET = { 'application/json': { schema: 'Budget', example: BUDGET } } as const
const ONE_PRICE = { 'application/json': { schema: 'Price', example: PRICE } } as const
const FOUND = [...KEY, 'invalid_request', 'resource_not_found'] as const
const FORMAT = { format: '`json` or `csv`; before what `Accept` says.' }
const csvOf = (row: object) => `${Object.keys(row).join(',')}\r\n${Object.values(row).join(',')}\r\n`
const list = (item: object) => ({ object: 'list', data: [item], has_more: false })

export const BUDGET_OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /admin/budgets': {
    id: 'listBudgets',
    tag: 'Budgets',
    summary: 'List the budgets, with what is left of them',
    description: 'By id. The key needs the scope `limits:read`.',
    query: { ...PAGE_QUERY, ...TENANT_QUERY },
    answers: { 'application/json': { schema: 'BudgetList', example: list(BUDGET) } },
    errors: [...FOUND, 'store_unavailable'],
  },
  'GET /admin/budgets/:id': {
    id: 'retrieveBudget',
    tag: 'Budgets',
    summary: 'Say what is spent, reserved and left of a budget',
    description:
      '`spent` is settled; `presumed` was held by a part of the installation that fell silent, and counts as spent until it tells otherwise; `reserved` is held by answers that run, and in store for the next.',
    query: TENANT_QUERY,
    answers: ONE_BUDGET,
    errors: [...FOUND, 'store_unavailable'],
  },
  'PUT /admin/budgets/:id': {
    id: 'putBudget',
    tag: 'Budgets',
    summary: 'Make or change a budget',
    description:
      "The id is its period, unit and, for one key's, the key: `day-tokens`, `month-cost`, `day-tokens-key_1`. Periods are of UTC. It holds within ten seconds, and what was used in the period before counts. " +
      "`If-Match` with the ETag that was read refuses to overwrite what has changed since. The key needs the scope `limits:write`, for a whole tenant's budget `tenants:write` beside it.",
    query: TENANT_QUERY,
    request: { schema: 'PutBudget', example: { limit: 1_000_000 } },
    answers: ONE_BUDGET,
    errors: [...KEY, ...BODY, 'resource_not_found', 'stale_write', 'store_unavailable'],
  },
  'DELETE /admin/budgets/:id': {
    id: 'deleteBudget',
    tag: 'Budgets',
    summary: 'Remove a budget',
    description: 'What was used stays in the usage. With `If-Match` only the version that was read.',
    query: TENANT_QUERY,
    answers: {
      'application/json': { schema: 'Deleted', example: { id: BUDGET.id, object: 'budget.deleted', deleted: true } },
    },
    errors: [...FOUND, 'stale_write'],
  },
  'GET /admin/prices': {
    id: 'listPrices',
    tag: 'Budgets',
    summary: 'List what models cost',
    description:
      'The prices that hold now, by model. A model that is not listed costs nothing. The key needs the scope `usage:read`.',
    query: PAGE_QUERY,
    answers: { 'application/json': { schema: 'PriceList', example: list(PRICE) } },
    errors: [...KEY, 'invalid_request'],
  },
  'GET /admin/prices/:model': {
    id: 'listPriceVersions',
    tag: 'Budgets',
    summary: "List all versions of a model's price",
    description: 'Newest first. A version never changes.',
    query: PAGE_QUERY,
    answers: { 'application/json': { schema: 'PriceList', example: list(PRICE) } },
    errors: FOUND,
  },
  'PUT /admin/prices/:model': {
    id: 'putPrice',
    tag: 'Budgets',
    summary: "Set a model's price",
    description:
      'A new version, which holds within ten seconds for answers that begin. The key needs the scope `tenants:write`.',
    request: { schema: 'PutPrice', example: { input: 150_000, cached_input: 75_000, output: 600_000 } },
    answers: ONE_PRICE,
    errors: [...KEY, ...BODY, 'model_not_found'],
  },
  'GET /admin/usage': {
    id: 'listUsage',
    tag: 'Budgets',
    summary: 'List the answers that were paid for',
    description:
      'Newest first, a few seconds after they ended. A page of it as CSV with `Accept: text/csv` or `format=csv`; the next is then in the header `Link`. The key needs the scope `usage:read`.',
    query: { ...PAGE_QUERY, ...FORMAT, ...FILTERS },
    answers: {
      'application/json': { schema: 'UsageList', example: list(USAGE) },
      'text/csv': { example: csvOf(USAGE) },
    },
    errors: FOUND,
  },
  'GET /admin/usage/sums': {
    id: 'sumUsage',
    tag: 'Budgets',
    summary: 'Sum usage by day, model, key or user',
    description:
      'At most `limit` groups: the latest days, or the models, keys and users that cost most. Where `has_more` says that there are others, ask for a shorter time. As CSV with `Accept: text/csv` or `format=csv`.',
    query: { by: '`day`, `model`, `key` or `user`.', limit: PAGE_QUERY.limit, ...FORMAT, ...FILTERS },
    answers: {
      'application/json': { schema: 'UsageSumList', example: list(SUM) },
      'text/csv': { example: csvOf(SUM) },
    },
    errors: FOUND,
  },
}
