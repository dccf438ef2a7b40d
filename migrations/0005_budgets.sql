-- Budgets: how many tokens or how much money a tenant or one of its keys may use a day or a month. What is spent is in the tenant's
-- ledger (src/budgets/budget-object.ts). The id says all but the limit: `day-tokens`, `month-cost-key_1`.
CREATE TABLE budget (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  -- Tokens, or nano-units of the installation's currency.
  limit_amount INTEGER NOT NULL,
  version INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- The version of a tenant's budgets together: ledgers keep the newest that any isolate tells them.
CREATE TABLE budget_set (
  tenant_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a model costs, by the alias that callers use: micro-units for a million tokens. Versions never change; the highest holds.
CREATE TABLE price (
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cached_input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  since_ms INTEGER NOT NULL,
  PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;

-- Every answer that was paid for, once. Ledgers deliver; a row that comes twice is the same row.
CREATE TABLE usage (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  user_id TEXT,
  model TEXT NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  charged_tokens INTEGER NOT NULL,
  cost_nano INTEGER NOT NULL,
  price_version INTEGER NOT NULL,
  started_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_by_time ON usage (tenant_id, started_at_ms, id);
