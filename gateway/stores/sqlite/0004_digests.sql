-- Version 4. Password digests: the shared secrets of API keys, and the nonces that were used.

-- The sealed shared secret of an API key that may sign in with a digest.
CREATE TABLE digest_secrets (
    key_id TEXT NOT NULL PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Nonces that were used and could be sent again; the primary key refuses a second use.
CREATE TABLE nonces (
    key_id TEXT NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64),
    stale_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, hash)
) WITHOUT ROWID;

CREATE INDEX nonces_by_age ON nonces (stale_at);
