-- What changed, in the order of commits: a row in the same transaction as each write that isolates remember something of.
-- src/directory/ reads it, so that a change reaches every isolate within seconds.
CREATE TABLE change (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  -- `key`, `user`, `filter`, `prompt`, `limit`, `budget`, `price` ...
  kind TEXT NOT NULL,
  tenant_id TEXT NOT NULL,
  -- What isolates remember it under: an id, a hash; empty for all of that kind and tenant.
  subject TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
