-- Results of jobs. How they are found is in entries.sql.

-- name: storage
-- A storage that is open: its number, the id given last, and how many results it holds.
SELECT number, last_id, result_count FROM storages WHERE organization_id = :organization_id AND id = :id;

-- name: run
-- What a job wrote to a storage: the run's number, and how many results it holds.
SELECT number, result_count FROM result_runs
WHERE job_id = :job_id AND storage = :storage AND NOT removed;

-- name: removed_runs
-- The runs of a storage that were removed and have not gone yet.
SELECT first, last, result_count FROM result_runs WHERE storage = :storage AND removed;

-- name: insert_run
-- Stores that a job writes to a storage for the first time.
INSERT INTO result_runs (storage, job_id, job_type, first, last, result_count)
VALUES (:storage, :job_id, :job_type, :first, :first, 0)
RETURNING number;

-- name: insert_result
-- Stores results; each `?` is an array with one column of them.
INSERT INTO results (number, storage, run, partner, source, external, status, document)
SELECT * FROM unnest(
    CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS text[]), CAST(? AS text[]),
    CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bytea[])
);

-- name: grow_run
-- Counts results that a run wrote.
UPDATE result_runs SET last = :last, result_count = result_count + :count WHERE number = :run;

-- name: grow_storage
-- Counts ids that were given, and results that were written.
UPDATE storages SET last_id = :last_id, result_count = result_count + :count WHERE number = :storage;

-- name: newest_partner
-- The newest result of a business partner, in a status, above a number.
SELECT e.number FROM results AS e
WHERE e.storage = :storage AND e.partner = :value AND e.status = :status AND e.number > :low
AND EXISTS (
    SELECT 1 FROM result_runs AS r
    WHERE r.number = e.run AND NOT r.removed
    AND (CAST(:job_type AS text) IS NULL OR r.job_type = CAST(:job_type AS text))
)
ORDER BY e.number DESC
LIMIT 1;

-- name: newest_external
-- The newest result of a record of a data source, in a status, above a number.
SELECT e.number FROM results AS e
WHERE e.storage = :storage AND e.external = :value AND e.source = :source AND e.status = :status
AND e.number > :low
AND EXISTS (
    SELECT 1 FROM result_runs AS r
    WHERE r.number = e.run AND NOT r.removed
    AND (CAST(:job_type AS text) IS NULL OR r.job_type = CAST(:job_type AS text))
)
ORDER BY e.number DESC
LIMIT 1;

-- name: runs_of_job
-- What a job wrote, by storage; of all storages of the organization, or of one.
SELECT r.number, r.storage, r.result_count
FROM result_runs AS r JOIN storages AS s ON s.number = r.storage
WHERE r.job_id = :job_id AND NOT r.removed
AND s.organization_id = :organization_id
AND (CAST(:storage_id AS text) IS NULL OR s.id = CAST(:storage_id AS text))
ORDER BY r.storage;

-- name: remove_run
-- Makes the results of a run be seen no more.
UPDATE result_runs SET removed = true WHERE number = :run;

-- name: shrink_storage
-- Counts results that were removed.
UPDATE storages SET result_count = result_count - :count WHERE number = :storage;

-- name: next_removed_run
-- A run that was removed and has not gone yet.
SELECT number FROM result_runs WHERE removed LIMIT 1;

-- name: sweep_results
-- Frees the room of some results of a run.
DELETE FROM results WHERE number IN (SELECT number FROM results WHERE run = :run LIMIT :limit);

-- name: delete_run
-- Removes a run that has no results any more.
DELETE FROM result_runs WHERE number = :run;
