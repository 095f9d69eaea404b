-- Jobs, their history, requests and secrets.

-- name: job
-- A job with the engine's part, by id. What is claimed is held by the one node there is, number 1.
SELECT CAST(document AS BLOB), event_count, wake_at, claimed, handle, token_hash, stop, stop_grace_seconds,
    claimed
FROM jobs
WHERE id = :id;

-- name: document
-- A job as replies show it, by id.
SELECT organization_id, version, CAST(document AS BLOB) FROM jobs WHERE id = :id;

-- name: insert_job
-- Stores a new job.
INSERT INTO jobs (
    id, organization_id, user, storage_id, type, scheduled_job_id, created_at, priority,
    status, version, finished_at, expires_at, event_count, wake_at, claimed, handle, token_hash,
    stop, stop_grace_seconds, words, document
) VALUES (
    :id, :organization_id, :user, :storage_id, :type, :scheduled_job_id, :created_at, :priority,
    :status, :version, :finished_at, :expires_at, :event_count, :wake_at, :claimed, :handle, :token_hash,
    :stop, :stop_grace_seconds, :words, CAST(:document AS TEXT)
);

-- name: save_job
-- Stores a job that has changed. What never changes is left out, so that its indexes are not touched.
UPDATE jobs
SET status = :status, version = :version, finished_at = :finished_at, expires_at = :expires_at,
    event_count = :event_count, wake_at = :wake_at, claimed = :claimed, handle = :handle,
    token_hash = :token_hash, stop = :stop, stop_grace_seconds = :stop_grace_seconds,
    words = :words, document = CAST(:document AS TEXT)
WHERE id = :id;

-- name: found_by
-- What a job that is to be removed is found by; tags and labels as JSON arrays. Its document is not read whole.
SELECT organization_id, created_at, status, words, ifnull(json_extract(document, '$.tags'), '[]'), (
    SELECT json_group_array(
        json_extract(label.value, '$.name') || '=' || ifnull(json_extract(label.value, '$.value'), '')
    )
    FROM json_each(document, '$.labels') AS label
)
FROM jobs
WHERE id = :id;

-- name: delete_job
-- Removes a job; its history, request, secrets and own dependencies go with it.
DELETE FROM jobs WHERE id = :id;

-- name: insert_request
-- Keeps the request that started a job; `number` is the job's.
INSERT INTO job_requests (number, document) VALUES (:number, CAST(:document AS TEXT));

-- name: request
-- The request that started a job.
SELECT CAST(r.document AS BLOB) FROM jobs AS j JOIN job_requests AS r ON r.number = j.number WHERE j.id = :id;

-- name: insert_secret
-- Keeps a sealed value; `number` is the job's.
INSERT INTO job_secrets (number, name, sealed) VALUES (:number, :name, :sealed);

-- name: secrets
-- The sealed values of a job.
SELECT s.name, s.sealed FROM jobs AS j JOIN job_secrets AS s ON s.number = j.number WHERE j.id = :id;

-- name: add_event
-- Appends to the history of a job; no row when there is no such job.
INSERT INTO job_events (number, id, document)
SELECT number, :event_id, CAST(:document AS TEXT) FROM jobs WHERE id = :id;

-- name: events
-- A piece of the history of a job, oldest first.
SELECT CAST(e.document AS BLOB)
FROM jobs AS j CROSS JOIN job_events AS e ON e.number = j.number
WHERE j.id = :id AND e.id > :after
ORDER BY e.id
LIMIT :limit;

-- name: insert_tag
-- Makes a job be found by a tag.
INSERT INTO job_tags (organization_id, tag, created_at, job_id) VALUES (?, ?, ?, ?);

-- name: delete_tag
-- Makes a job not be found by a tag any more.
DELETE FROM job_tags WHERE organization_id = ? AND tag = ? AND created_at = ? AND job_id = ?;

-- name: insert_label
-- Makes a job be found by a label, written name=value.
INSERT INTO job_labels (organization_id, label, created_at, job_id) VALUES (?, ?, ?, ?);

-- name: delete_label
-- Makes a job not be found by a label any more.
DELETE FROM job_labels WHERE organization_id = ? AND label = ? AND created_at = ? AND job_id = ?;

-- name: insert_word
-- Makes a job be found by a word.
INSERT INTO job_words (organization_id, word, created_at, job_id) VALUES (?, ?, ?, ?);

-- name: delete_word
-- Makes a job not be found by a word any more.
DELETE FROM job_words WHERE organization_id = ? AND word = ? AND created_at = ? AND job_id = ?;

-- name: open_storage
-- Opens a result storage, unless it is open.
INSERT INTO storages (organization_id, id, opened_at)
VALUES (:organization_id, :id, :at)
ON CONFLICT DO NOTHING;
