-- Every completion, answered or refused, once: who asked for what, who answered, how long it took, what it cost. Never what was said.
-- Objects deliver (src/request-log/request-log-object.ts); a row that comes twice is the same row. The id begins with the time (base 36,
-- nine digits), so every index that ends in it is in the order of time.
CREATE TABLE request_log (
  tenant_id TEXT NOT NULL,
  id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  -- Method and pattern of the route.
  endpoint TEXT,
  -- What the client calls itself.
  client TEXT,
  key_id TEXT NOT NULL,
  -- The token's user, or under a server key what the body called its user.
  user_id TEXT,
  -- The alias as the caller wrote it.
  model TEXT NOT NULL,
  deployment_id TEXT,
  deployment_model TEXT,
  status INTEGER NOT NULL,
  -- `ok`, or the error code.
  code TEXT NOT NULL,
  cache TEXT,
  stream INTEGER NOT NULL,
  prompt_tokens INTEGER,
  cached_tokens INTEGER,
  completion_tokens INTEGER,
  cost_nano INTEGER,
  started_at_ms INTEGER NOT NULL,
  first_token_ms INTEGER,
  total_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  continued INTEGER NOT NULL,
  -- JSON: milliseconds of each step.
  stages TEXT NOT NULL,
  -- JSON: every call of a deployment.
  calls TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- What may be asked for together with the indexed column is in the index, too: nothing else is read of rows that do not fit.
CREATE INDEX request_log_by_user ON request_log (tenant_id, user_id, id, key_id, model, status, cache, attempts)
  WHERE user_id IS NOT NULL;
CREATE INDEX request_log_by_key ON request_log (tenant_id, key_id, id, model, status, cache, attempts);
CREATE INDEX request_log_by_model ON request_log (tenant_id, model, id, status, cache, attempts);
CREATE INDEX request_log_by_cache ON request_log (tenant_id, cache, id, status, attempts);
CREATE INDEX request_log_by_request ON request_log (tenant_id, request_id);
-- Of few rows.
CREATE INDEX request_log_failed ON request_log (tenant_id, id, status, code, key_id, user_id, model, cache, attempts)
  WHERE status >= 400;
CREATE INDEX request_log_tried_again ON request_log (tenant_id, id, attempts, status, code, key_id, user_id, model, cache)
  WHERE attempts > 1;
