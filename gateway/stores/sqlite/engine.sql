-- What the loops of the engine look for: each reads one of the small partial indexes.

-- name: due
-- WAITING jobs whose time has come, earliest first.
SELECT id FROM jobs INDEXED BY jobs_due
WHERE status = 'WAITING' AND wake_at <= :now
ORDER BY wake_at, id
LIMIT :limit;

-- name: next_wake
-- The next time at which a WAITING job is to be looked at.
SELECT wake_at FROM jobs INDEXED BY jobs_due
WHERE status = 'WAITING' AND wake_at IS NOT NULL
ORDER BY wake_at
LIMIT 1;

-- name: queue
-- SCHEDULED jobs that no executor holds, in the order in which they are to start.
SELECT id FROM jobs INDEXED BY jobs_in_queue
WHERE status = 'SCHEDULED' AND claimed = 0
ORDER BY priority DESC, created_at, id
LIMIT :limit;

-- name: queueing_organizations
-- Organizations that have a job in the queue. Jumps from one to the next instead of reading all jobs.
WITH RECURSIVE organization (id) AS (
    SELECT min(organization_id) FROM jobs INDEXED BY jobs_in_queue_by_organization
    WHERE status = 'SCHEDULED' AND claimed = 0
    UNION ALL
    SELECT (
        SELECT min(j.organization_id) FROM jobs AS j INDEXED BY jobs_in_queue_by_organization
        WHERE j.status = 'SCHEDULED' AND j.claimed = 0 AND j.organization_id > organization.id
    )
    FROM organization
    WHERE organization.id IS NOT NULL
)
SELECT id FROM organization WHERE id IS NOT NULL;

-- name: queue_of_organization
-- The queue of one organization, with what it is ordered by.
SELECT -priority, created_at, id FROM jobs INDEXED BY jobs_in_queue_by_organization
WHERE status = 'SCHEDULED' AND claimed = 0 AND organization_id = :organization_id
ORDER BY priority DESC, created_at, id
LIMIT :limit;

-- name: claimed
-- All jobs that an executor holds, with the engine's part.
SELECT CAST(document AS BLOB), event_count, wake_at, claimed, handle, token_hash, stop, stop_grace_seconds,
    claimed
FROM jobs INDEXED BY jobs_claimed
WHERE claimed = 1;

-- name: count_claimed
-- How many jobs executors hold, by organization.
SELECT organization_id, count(*) FROM jobs INDEXED BY jobs_claimed WHERE claimed = 1 GROUP BY organization_id;

-- name: expired
-- Final jobs whose time is over, earliest first.
SELECT id FROM jobs INDEXED BY jobs_expiring
WHERE finished_at IS NOT NULL AND expires_at <= :now
ORDER BY expires_at, id
LIMIT :limit;

-- name: count_not_final
-- How many jobs of an organization have not ended.
SELECT count(*) FROM jobs INDEXED BY jobs_not_final WHERE finished_at IS NULL AND organization_id = :organization_id;

-- name: depend
-- Stores that a job depends on another; no row when there is no such job.
INSERT INTO job_dependencies (job_id, on_job_id, position, condition, open, created_at)
SELECT id, :on_job_id, (SELECT count(*) FROM job_dependencies WHERE job_id = :id), :condition, :open, created_at
FROM jobs
WHERE id = :id;

-- name: close_dependency
-- Stores that the outcome of a dependency is decided.
UPDATE job_dependencies SET open = 0 WHERE job_id = :id AND on_job_id = :on_job_id;

-- name: open_dependencies
-- The jobs that a job still depends on, in the order of the request.
SELECT on_job_id FROM job_dependencies WHERE job_id = :id AND open = 1 ORDER BY position;

-- name: dependents
-- The jobs that still depend on a job, oldest first.
SELECT job_id, condition FROM job_dependencies INDEXED BY job_dependents
WHERE on_job_id = :id AND open = 1
ORDER BY created_at, job_id;

-- name: take_place
-- Gives a job the last place in the queue of a lock; in an empty queue it holds the lock.
INSERT INTO lock_places (organization_id, name, place, job_id, holds)
SELECT :organization_id, :name, ifnull(max(place), 0) + 1, :id, count(*) = 0
FROM lock_places
WHERE organization_id = :organization_id AND name = :name;

-- name: places
-- The places that a job has in the queues of locks.
SELECT organization_id, name, place, holds FROM lock_places INDEXED BY lock_places_by_job
WHERE job_id = :id
ORDER BY name;

-- name: give_up_place
-- Takes a job out of the queue of a lock.
DELETE FROM lock_places WHERE organization_id = :organization_id AND name = :name AND place = :place;

-- name: move_up
-- Makes the first in the queue of a lock its holder.
UPDATE lock_places
SET holds = 1
WHERE organization_id = :organization_id AND name = :name AND place = (
    SELECT min(place) FROM lock_places WHERE organization_id = :organization_id AND name = :name
)
RETURNING job_id;

-- name: lock_holder
-- The job that holds a lock.
SELECT job_id FROM lock_places INDEXED BY lock_has_one_holder
WHERE holds = 1 AND organization_id = :organization_id AND name = :name;

-- name: blocking_locks
-- The locks that a job waits for.
SELECT name FROM lock_places INDEXED BY lock_places_by_job WHERE job_id = :id AND holds = 0 ORDER BY name;
