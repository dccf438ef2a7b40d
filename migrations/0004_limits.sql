-- Limits that a tenant has set for itself; who has none has those of src/limits/limit-rules.ts.
CREATE TABLE limit_rule (
  id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  -- Whose use is counted together: tenant, key, user, endpoint, model, end_user.
  dimension TEXT NOT NULL,
  -- A key, a user, `POST /chat`, a model; `*` for each that has no limit of its own.
  subject TEXT NOT NULL,
  -- requests, tokens, streams.
  kind TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount > 0),
  -- 0 for streams, which are counted at once.
  window_seconds INTEGER NOT NULL CHECK (window_seconds >= 0),
  created_at_ms INTEGER NOT NULL,
  UNIQUE (tenant_id, dimension, subject, kind, window_seconds)
) STRICT;
CREATE INDEX limit_rule_of_tenant ON limit_rule (tenant_id, id);
