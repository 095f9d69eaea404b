-- Jobs, their history, requests and secrets. Where several rows are written at once, each `?` is an array with
-- one column of them.

-- name: job
-- A job with the engine's part, by id.
SELECT document, event_count, wake_at, claimed, handle, token_hash, stop, stop_grace_seconds, node
FROM jobs
WHERE id = :id;

-- name: jobs
-- Jobs with the engine's part, by their ids, always in the same order: who locks several does not meet another.
SELECT document, event_count, wake_at, claimed, handle, token_hash, stop, stop_grace_seconds, node
FROM jobs
WHERE id = ANY(CAST(:ids AS text[]))
ORDER BY id;

-- name: document
-- A job as replies show it, by id.
SELECT organization_id, version, document FROM jobs WHERE id = :id;

-- name: insert_jobs
-- Stores new jobs with the requests that started them; each parameter is an array with one column.
WITH new AS (
    SELECT * FROM unnest(
        CAST(:id AS text[]), CAST(:organization_id AS text[]), CAST(:user AS text[]),
        CAST(:storage_id AS text[]), CAST(:type AS text[]), CAST(:scheduled_job_id AS text[]),
        CAST(:created_at AS bigint[]), CAST(:priority AS bigint[]), CAST(:status AS text[]),
        CAST(:version AS bigint[]), CAST(:finished_at AS bigint[]), CAST(:expires_at AS bigint[]),
        CAST(:event_count AS bigint[]), CAST(:wake_at AS bigint[]), CAST(:claimed AS boolean[]),
        CAST(:handle AS text[]), CAST(:token_hash AS text[]), CAST(:stop AS text[]),
        CAST(:stop_grace_seconds AS bigint[]), CAST(:node AS bigint[]), CAST(:words AS text[]),
        CAST(:document AS bytea[]), CAST(:request AS bytea[])
    ) AS given (
        id, organization_id, "user", storage_id, type, scheduled_job_id, created_at, priority, status,
        version, finished_at, expires_at, event_count, wake_at, claimed, handle, token_hash, stop,
        stop_grace_seconds, node, words, document, request
    )
), inserted AS (
    INSERT INTO jobs (
        id, organization_id, "user", storage_id, type, scheduled_job_id, created_at, priority, status,
        version, finished_at, expires_at, event_count, wake_at, claimed, handle, token_hash, stop,
        stop_grace_seconds, node, words, document
    )
    SELECT
        id, organization_id, "user", storage_id, type, scheduled_job_id, created_at, priority, status,
        version, finished_at, expires_at, event_count, wake_at, claimed, handle, token_hash, stop,
        stop_grace_seconds, node, words, document
    FROM new
    RETURNING number, id
)
INSERT INTO job_requests (number, document)
SELECT inserted.number, new.request FROM inserted JOIN new ON new.id = inserted.id;

-- name: save_jobs
-- Stores jobs that have changed; each parameter is an array with one column. What never changes is left out.
UPDATE jobs AS j
SET
    status = changed.status, version = changed.version, finished_at = changed.finished_at,
    expires_at = changed.expires_at, event_count = changed.event_count, wake_at = changed.wake_at,
    claimed = changed.claimed, handle = changed.handle, token_hash = changed.token_hash,
    stop = changed.stop, stop_grace_seconds = changed.stop_grace_seconds, node = changed.node,
    words = changed.words, document = changed.document
FROM unnest(
    CAST(:id AS text[]), CAST(:status AS text[]), CAST(:version AS bigint[]),
    CAST(:finished_at AS bigint[]), CAST(:expires_at AS bigint[]), CAST(:event_count AS bigint[]),
    CAST(:wake_at AS bigint[]), CAST(:claimed AS boolean[]), CAST(:handle AS text[]),
    CAST(:token_hash AS text[]), CAST(:stop AS text[]), CAST(:stop_grace_seconds AS bigint[]),
    CAST(:node AS bigint[]), CAST(:words AS text[]), CAST(:document AS bytea[])
) AS changed (
    id, status, version, finished_at, expires_at, event_count, wake_at, claimed, handle, token_hash,
    stop, stop_grace_seconds, node, words, document
)
WHERE j.id = changed.id;

-- name: found_by
-- What a job that is to be removed is found by; tags and labels as JSON arrays.
SELECT j.organization_id, j.created_at, j.status, j.words, coalesce(CAST(d.document -> 'tags' AS text), '[]'), (
    SELECT CAST(coalesce(
        json_agg((label.value ->> 'name') || '=' || coalesce(label.value ->> 'value', '')), '[]'
    ) AS text)
    FROM json_array_elements(coalesce(d.document -> 'labels', '[]')) AS label (value)
)
FROM jobs AS j CROSS JOIN LATERAL (SELECT CAST(convert_from(j.document, 'UTF8') AS json) AS document) AS d
WHERE j.id = :id;

-- name: delete_job
-- Removes a job; its history, request, secrets and own dependencies go with it.
DELETE FROM jobs WHERE id = :id;

-- name: request
-- The request that started a job.
SELECT r.document FROM jobs AS j JOIN job_requests AS r ON r.number = j.number WHERE j.id = :id;

-- name: insert_secret
-- Keeps a sealed value of a job.
INSERT INTO job_secrets (number, name, sealed) SELECT number, :name, :sealed FROM jobs WHERE id = :id;

-- name: secrets
-- The sealed values of a job.
SELECT s.name, s.sealed FROM jobs AS j JOIN job_secrets AS s ON s.number = j.number WHERE j.id = :id;

-- name: add_events
-- Appends to the history of jobs; each parameter is an array with one column.
INSERT INTO job_events (number, id, document)
SELECT j.number, event.id, event.document
FROM unnest(
    CAST(:id AS text[]), CAST(:event_id AS bigint[]), CAST(:document AS bytea[])
) AS event (job_id, id, document)
JOIN jobs AS j ON j.id = event.job_id;

-- name: events
-- A piece of the history of a job, oldest first.
SELECT e.document
FROM jobs AS j JOIN job_events AS e ON e.number = j.number
WHERE j.id = :id AND e.id > :after
ORDER BY e.id
LIMIT :limit;

-- name: insert_tag
-- Makes jobs be found by tags.
INSERT INTO job_tags (organization_id, tag, created_at, job_id)
SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[]));

-- name: delete_tag
-- Makes jobs not be found by tags any more.
DELETE FROM job_tags WHERE (organization_id, tag, created_at, job_id) IN (
    SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[]))
);

-- name: insert_label
-- Makes jobs be found by labels, written name=value.
INSERT INTO job_labels (organization_id, label, created_at, job_id)
SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[]));

-- name: delete_label
-- Makes jobs not be found by labels any more.
DELETE FROM job_labels WHERE (organization_id, label, created_at, job_id) IN (
    SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[]))
);

-- name: insert_word
-- Makes jobs be found by words.
INSERT INTO job_words (organization_id, word, created_at, job_id)
SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[]));

-- name: delete_word
-- Makes jobs not be found by words any more.
DELETE FROM job_words WHERE (organization_id, word, created_at, job_id) IN (
    SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS text[]))
);

-- name: open_storage
-- Opens a result storage, unless it is open.
INSERT INTO storages (organization_id, id, opened_at)
SELECT :organization_id, :id, :at
WHERE NOT EXISTS (SELECT 1 FROM storages WHERE organization_id = :organization_id AND id = :id)
ON CONFLICT DO NOTHING;
