-- Who may use the installation: tenants, and the API keys of each.
CREATE TABLE tenant (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'deleted')),
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT;

-- A deleted tenant keeps its row, for what was metered under its id, and gives its name free.
CREATE UNIQUE INDEX tenant_name ON tenant (name) WHERE status <> 'deleted';

-- The tenant of the configured key (PERIGEE_KEY_SHA256) and of who runs the installation.
INSERT INTO tenant (id, name, status, created_at_ms, updated_at_ms) VALUES ('tnt_default', 'Default', 'active', 0, 0);

CREATE TABLE api_key (
  -- Lists are in this order.
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  tenant_id TEXT NOT NULL REFERENCES tenant (id),
  name TEXT NOT NULL,
  -- SHA-256 of the key's text, lower-case hexadecimal. The text itself is shown once and stored nowhere.
  sha256 TEXT NOT NULL UNIQUE,
  -- After a rotation the old text stays valid until then.
  previous_sha256 TEXT UNIQUE,
  previous_until_ms INTEGER,
  -- A role, or scopes of its own as a JSON list: one of the two.
  role TEXT,
  scopes TEXT,
  -- JSON lists; null: no restriction.
  models TEXT,
  allowed_origins TEXT,
  allowed_networks TEXT,
  -- Counts writes: who checked one version must not change another.
  version INTEGER NOT NULL DEFAULT 1,
  created_at_ms INTEGER NOT NULL,
  rotated_at_ms INTEGER,
  expires_at_ms INTEGER,
  revoked_at_ms INTEGER,
  CHECK ((role IS NULL) <> (scopes IS NULL))
) STRICT;

CREATE INDEX api_key_of_tenant ON api_key (tenant_id, seq);
