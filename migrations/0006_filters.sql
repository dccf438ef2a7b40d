-- The rules of a tenant's content filter, one row each, as src/contract/filter-rules.ts describes them.
CREATE TABLE filter_rule (
  tenant_id TEXT NOT NULL,
  name TEXT NOT NULL,
  -- Of the tenant's rules when this one was last written: its ETag.
  version INTEGER NOT NULL,
  -- JSON.
  body TEXT NOT NULL,
  word_count INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, name)
) STRICT;

-- Grows with every write, also with a deletion: isolates compile a tenant's rules once per version.
CREATE TABLE filter_version (
  tenant_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL
) STRICT;
