-- People who sign in with a password, their sessions, and the outside identity providers whose tokens are taken (src/auth/).

CREATE TABLE user (
  -- `usr_`, the time of creation and randomness: sorting by id is sorting by age.
  user_id TEXT PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  -- Trimmed and in lower case. One person has one account in an installation, whatever the tenant.
  email TEXT NOT NULL UNIQUE,
  name TEXT,
  -- src/auth/roles.ts says what it may.
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'member', 'viewer')),
  status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
  -- scrypt$N$r$p$salt$hash: whoever checks it needs nothing else, and stronger settings can be told from weaker ones.
  password_hash TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX user_by_tenant ON user (tenant_id, user_id);

-- One sign-in: its refresh tokens follow each other in this one row. What is revoked is deleted, and its access tokens with it.
CREATE TABLE session (
  session_id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES user (user_id),
  tenant_id TEXT NOT NULL,
  -- SHA-256 of the one refresh token that is valid now. Another one for this session has been used before, or stolen.
  token_sha256 TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX session_by_user ON session (user_id, created_at_ms);

CREATE TABLE identity_provider (
  provider_id TEXT PRIMARY KEY,
  -- Where its people go unless `tenants` says otherwise.
  tenant_id TEXT NOT NULL,
  issuer TEXT NOT NULL,
  audience TEXT NOT NULL,
  jwks_uri TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
  -- The claim that tells the role, and JSON from its values to roles; `default_role` for whom it tells none, null to refuse them.
  role_claim TEXT,
  roles TEXT NOT NULL,
  default_role TEXT,
  -- The claim that tells the tenant, and JSON from its values to tenant ids. Who has none of them is refused.
  tenant_claim TEXT,
  tenants TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  UNIQUE (issuer, audience)
) STRICT;
