-- Versions of the one routing document (src/contract/routing-config.ts); the newest holds. They are never changed.
CREATE TABLE routing_version (
  -- From 1; version 0 is what the settings say, and has no row.
  number INTEGER PRIMARY KEY,
  -- JSON.
  document TEXT NOT NULL,
  -- JSON: what changed against the version before.
  diff TEXT NOT NULL,
  comment TEXT NOT NULL,
  created_by_key TEXT NOT NULL,
  created_by_user TEXT,
  created_at_ms INTEGER NOT NULL,
  -- The version that a rollback brought back.
  rolled_back_to INTEGER
) STRICT;
