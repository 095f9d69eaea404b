-- Shared secrets of API keys, and used nonces.

-- name: digest_secret
-- The sealed shared secret of an API key.
SELECT sealed FROM digest_secrets WHERE key_id = :key_id;

-- name: save_digest_secret
-- Stores the sealed shared secret of an API key in place of the one before.
INSERT INTO digest_secrets (key_id, sealed) VALUES (:key_id, :sealed)
ON CONFLICT (key_id) DO UPDATE SET sealed = excluded.sealed;

-- name: delete_digest_secret
-- Takes the shared secret of an API key away.
DELETE FROM digest_secrets WHERE key_id = :key_id;

-- name: use_nonce
-- Remembers a nonce, unless it is remembered already.
INSERT INTO nonces (key_id, hash, stale_at) VALUES (:key_id, :hash, :stale_at)
ON CONFLICT (key_id, hash) DO NOTHING;

-- name: has_stale_nonces
-- Whether a nonce need not be remembered any more.
SELECT EXISTS (SELECT 1 FROM nonces WHERE stale_at <= :now);

-- name: forget_nonces
-- Removes nonces that need not be remembered any more, oldest first; those that another gateway removes are left
-- to it.
DELETE FROM nonces
WHERE (key_id, hash) IN (
    SELECT key_id, hash FROM nonces
    WHERE stale_at <= :now
    ORDER BY stale_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
);
