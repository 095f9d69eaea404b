-- API keys, idempotency keys, the audit table and shared settings.

-- name: key
-- An API key by id.
SELECT id, name, role, organization_id, hash, created_at, expires_at, revoked_at, last_used_at
FROM api_keys
WHERE id = :id;

-- name: keys
-- All API keys ever made, oldest first.
SELECT id, name, role, organization_id, hash, created_at, expires_at, revoked_at, last_used_at
FROM api_keys
ORDER BY created_at, id;

-- name: has_keys
-- Whether any API key was ever made.
SELECT EXISTS (SELECT 1 FROM api_keys);

-- name: key_named
-- The key of a name that is not revoked.
SELECT id FROM api_keys WHERE organization_id = :organization_id AND name = :name AND revoked_at IS NULL;

-- name: insert_key
-- Stores a new API key.
INSERT INTO api_keys (id, name, role, organization_id, hash, created_at, expires_at, revoked_at, last_used_at)
VALUES (:id, :name, :role, :organization_id, :hash, :created_at, :expires_at, :revoked_at, :last_used_at);

-- name: save_key
-- Stores an API key that has changed.
UPDATE api_keys
SET name = :name, role = :role, organization_id = :organization_id, hash = :hash, created_at = :created_at,
    expires_at = :expires_at, revoked_at = :revoked_at, last_used_at = :last_used_at
WHERE id = :id;

-- name: remember
-- Keeps the first request under an idempotency key.
INSERT INTO idempotency (organization_id, operation, key, fingerprint, at, job_id, reply)
VALUES (:organization_id, :operation, :key, :fingerprint, :at, :job_id, :reply);

-- name: remembered
-- The first request under an idempotency key.
SELECT fingerprint, at, job_id, reply FROM idempotency
WHERE organization_id = :organization_id AND operation = :operation AND key = :key;

-- name: oldest_remembered
-- When the oldest request under an idempotency key was made.
SELECT min(at) FROM idempotency;

-- name: forget
-- Removes requests first made before an instant, oldest first; those that another gateway removes are left to it.
DELETE FROM idempotency
WHERE (organization_id, operation, key) IN (
    SELECT organization_id, operation, key FROM idempotency
    WHERE at < :before
    ORDER BY at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);

-- name: audit
-- Appends to the audit table.
INSERT INTO audit (at, actor, action, subject, organization_id, detail)
VALUES (:at, :actor, :action, :subject, :organization_id, :detail);

-- name: setting
-- A shared value.
SELECT value FROM settings WHERE name = :name;

-- name: insert_setting
-- Keeps a shared value.
INSERT INTO settings (name, value) VALUES (:name, :value);
