-- Prompt templates of a tenant: versions that never change, and labels that point to them.
CREATE TABLE prompt (
  tenant_id TEXT NOT NULL,
  prompt_id TEXT NOT NULL,
  -- Tells a prompt from a deleted one of the same id, whose versions isolates may remember.
  generation TEXT NOT NULL,
  description TEXT NOT NULL,
  latest_version INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, prompt_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE prompt_version (
  tenant_id TEXT NOT NULL,
  prompt_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  -- JSON: messages and variables, as src/contract/prompt-template.ts has them.
  template TEXT NOT NULL,
  note TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, prompt_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE prompt_label (
  tenant_id TEXT NOT NULL,
  prompt_id TEXT NOT NULL,
  label TEXT NOT NULL,
  version INTEGER NOT NULL,
  moved_by TEXT NOT NULL,
  moved_at_ms INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, prompt_id, label)
) STRICT, WITHOUT ROWID;
