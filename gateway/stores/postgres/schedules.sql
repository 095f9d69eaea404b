-- Scheduled jobs and their secrets.

-- name: schedule
-- A scheduled job as replies show it, by id.
SELECT organization_id, version, document FROM schedules WHERE id = :id;

-- name: schedules_page
-- Scheduled jobs of an organization in the order of lists, behind a position. `paused` null = either;
-- `words` is a JSON array of beginnings, each of which a word of name or description must have.
SELECT id, organization_id, version, document FROM schedules
WHERE organization_id = :organization_id AND (created_at, id) > (:after_at, :after_id)
AND (CAST(:paused AS boolean) IS NULL OR paused = CAST(:paused AS boolean))
AND NOT EXISTS (
    SELECT 1 FROM json_array_elements_text(CAST(:words AS json)) AS wanted (word)
    WHERE strpos(words, ' ' || wanted.word) = 0
)
ORDER BY created_at, id
LIMIT :limit;

-- name: schedules_due
-- Scheduled jobs whose time has come, earliest first.
SELECT id FROM schedules
WHERE next_run_at <= :now
ORDER BY next_run_at, id
LIMIT :limit;

-- name: schedules_next_due
-- The next time at which a scheduled job is due.
SELECT next_run_at FROM schedules
WHERE next_run_at IS NOT NULL
ORDER BY next_run_at
LIMIT 1;

-- name: open_runs
-- The runs of a scheduled job that have not ended, oldest first.
SELECT id FROM jobs
WHERE scheduled_job_id = :id AND finished_at IS NULL
ORDER BY created_at, id;

-- name: insert_schedule
-- Stores a new scheduled job.
INSERT INTO schedules (id, organization_id, created_at, paused, next_run_at, version, words, document)
VALUES (:id, :organization_id, :created_at, :paused, :next_run_at, :version, :words, :document);

-- name: save_schedule
-- Stores a scheduled job that has changed.
UPDATE schedules
SET paused = :paused, next_run_at = :next_run_at, version = :version, words = :words, document = :document
WHERE id = :id;

-- name: delete_schedule
-- Removes a scheduled job; its secrets go with it.
DELETE FROM schedules WHERE id = :id;

-- name: schedule_secrets
-- The sealed values of a scheduled job.
SELECT s.name, s.sealed
FROM schedules AS own JOIN schedule_secrets AS s ON s.number = own.number
WHERE own.id = :id;

-- name: insert_schedule_secret
-- Keeps a sealed value of a scheduled job.
INSERT INTO schedule_secrets (number, name, sealed) SELECT number, :name, :sealed FROM schedules WHERE id = :id;

-- name: delete_schedule_secrets
-- Removes the sealed values of a scheduled job.
DELETE FROM schedule_secrets WHERE number = (SELECT number FROM schedules WHERE id = :id);
