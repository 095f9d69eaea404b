-- What the loops of the engine look for: each reads one of the small partial indexes. A unit of work that writes
-- locks what it finds by the first of these (LOCKS in postgres_writer.py).

-- name: due
-- WAITING jobs whose time has come, earliest first.
SELECT id FROM jobs
WHERE status = 'WAITING' AND wake_at <= :now
ORDER BY wake_at, id
LIMIT :limit;

-- name: next_wake
-- The next time at which a WAITING job is to be looked at.
SELECT wake_at FROM jobs
WHERE status = 'WAITING' AND wake_at IS NOT NULL
ORDER BY wake_at
LIMIT 1;

-- name: queue
-- SCHEDULED jobs that no executor holds, in the order in which they are to start.
SELECT id FROM jobs
WHERE status = 'SCHEDULED' AND NOT claimed
ORDER BY priority DESC, created_at, id
LIMIT :limit;

-- name: claimable
-- Of the queue, jobs that nobody else is changing, with the engine's part, behind how many there are with those
-- that others are changing. A row with nothing but that number when there are none.
WITH found AS (
    SELECT document, event_count, wake_at, claimed, handle, token_hash, stop, stop_grace_seconds, node
    FROM jobs
    WHERE status = 'SCHEDULED' AND NOT claimed
    ORDER BY priority DESC, created_at, id
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)
SELECT there.number, found.*
FROM (
    SELECT count(*) FROM (
        SELECT FROM jobs
        WHERE status = 'SCHEDULED' AND NOT claimed
        ORDER BY priority DESC, created_at, id
        LIMIT :limit
    ) AS queue
) AS there (number)
LEFT JOIN found ON true;

-- name: queueing_organizations
-- Organizations that have a job in the queue. Jumps from one to the next instead of reading all jobs.
WITH RECURSIVE organization (id) AS (
    SELECT min(organization_id) FROM jobs WHERE status = 'SCHEDULED' AND NOT claimed
    UNION ALL
    SELECT (
        SELECT min(j.organization_id) FROM jobs AS j
        WHERE j.status = 'SCHEDULED' AND NOT j.claimed AND j.organization_id > organization.id
    )
    FROM organization
    WHERE organization.id IS NOT NULL
)
SELECT id FROM organization WHERE id IS NOT NULL;

-- name: queue_of_organization
-- The queue of one organization, with what it is ordered by.
SELECT -priority, created_at, id FROM jobs
WHERE status = 'SCHEDULED' AND NOT claimed AND organization_id = :organization_id
ORDER BY priority DESC, created_at, id
LIMIT :limit;

-- name: count_queue_of_organization
-- How long that queue is, with the jobs that others are changing; counted up to :limit.
SELECT count(*) FROM (
    SELECT FROM jobs
    WHERE status = 'SCHEDULED' AND NOT claimed AND organization_id = :organization_id
    ORDER BY priority DESC, created_at, id
    LIMIT :limit
) AS queue;

-- name: claimed
-- All jobs that a node holds, with the engine's part.
SELECT document, event_count, wake_at, claimed, handle, token_hash, stop, stop_grace_seconds, node
FROM jobs
WHERE node = :node;

-- name: count_claimed
-- How many jobs executors hold, by organization.
SELECT organization_id, count(*) FROM jobs WHERE claimed GROUP BY organization_id;

-- name: count_held
-- How many jobs a node holds, by organization.
SELECT organization_id, count(*) FROM jobs WHERE node = :node GROUP BY organization_id;

-- name: expired
-- Final jobs whose time is over, earliest first.
SELECT id FROM jobs
WHERE finished_at IS NOT NULL AND expires_at <= :now
ORDER BY expires_at, id
LIMIT :limit;

-- name: count_not_final
-- How many jobs of an organization have not ended.
SELECT count(*) FROM jobs WHERE finished_at IS NULL AND organization_id = :organization_id;

-- name: depend
-- Stores that a job depends on another; no row when there is no such job.
INSERT INTO job_dependencies (job_id, on_job_id, position, condition, open, created_at)
SELECT id, :on_job_id, (SELECT count(*) FROM job_dependencies WHERE job_id = :id), :condition, :open, created_at
FROM jobs
WHERE id = :id;

-- name: close_dependency
-- Stores that the outcome of a dependency is decided.
UPDATE job_dependencies SET open = false WHERE job_id = :id AND on_job_id = :on_job_id;

-- name: open_dependencies
-- The jobs that a job still depends on, in the order of the request.
SELECT on_job_id FROM job_dependencies WHERE job_id = :id AND open ORDER BY position;

-- name: dependents
-- The jobs that still depend on a job, oldest first.
SELECT job_id, condition FROM job_dependencies
WHERE on_job_id = :id AND open
ORDER BY created_at, job_id;

-- name: tied
-- Of some jobs, those that have a place in the queue of a lock, or that others depend on.
SELECT job.id
FROM unnest(CAST(:ids AS text[])) AS job (id)
WHERE
    EXISTS (SELECT FROM lock_places AS p WHERE p.job_id = job.id)
    OR EXISTS (SELECT FROM job_dependencies AS d WHERE d.on_job_id = job.id AND d.open);

-- name: take_place
-- Gives a job the last place in the queue of a lock; in an empty queue it holds the lock.
INSERT INTO lock_places (organization_id, name, place, job_id, holds)
SELECT :organization_id, :name, coalesce(max(place), 0) + 1, :id, count(*) = 0
FROM lock_places
WHERE organization_id = :organization_id AND name = :name;

-- name: places
-- The places that a job has in the queues of locks.
SELECT organization_id, name, place, holds FROM lock_places
WHERE job_id = :id
ORDER BY name;

-- name: give_up_place
-- Takes a job out of the queue of a lock.
DELETE FROM lock_places WHERE organization_id = :organization_id AND name = :name AND place = :place;

-- name: move_up
-- Makes the first in the queue of a lock its holder.
UPDATE lock_places
SET holds = true
WHERE organization_id = :organization_id AND name = :name AND place = (
    SELECT min(place) FROM lock_places WHERE organization_id = :organization_id AND name = :name
)
RETURNING job_id;

-- name: lock_holder
-- The job that holds a lock.
SELECT job_id FROM lock_places
WHERE holds AND organization_id = :organization_id AND name = :name;

-- name: blocking_locks
-- The locks that a job waits for.
SELECT name FROM lock_places WHERE job_id = :id AND NOT holds ORDER BY name;
