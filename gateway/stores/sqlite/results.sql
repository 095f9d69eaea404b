-- Results of jobs. How they are found is in entries.sql.

-- name: storage
-- A storage that is open: its number, the id given last, and how many results it holds.
SELECT number, last_id, result_count FROM storages WHERE organization_id = :organization_id AND id = :id;

-- name: run
-- What a job wrote to a storage: the run's number, and how many results it holds.
SELECT number, result_count FROM result_runs INDEXED BY result_runs_by_job
WHERE job_id = :job_id AND storage = :storage AND removed = 0;

-- name: removed_runs
-- The runs of a storage that were removed and have not gone yet.
SELECT first, last, result_count FROM result_runs INDEXED BY result_runs_removed
WHERE storage = :storage AND removed = 1;

-- name: insert_run
-- Stores that a job writes to a storage for the first time.
INSERT INTO result_runs (storage, job_id, job_type, first, last, result_count)
VALUES (:storage, :job_id, :job_type, :first, :first, 0);

-- name: insert_result
-- Stores a result.
INSERT INTO results (number, storage, run, partner, source, external, status, document)
VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT));

-- name: grow_run
-- Counts results that a run wrote.
UPDATE result_runs SET last = :last, result_count = result_count + :count WHERE number = :run;

-- name: grow_storage
-- Counts ids that were given, and results that were written.
UPDATE storages SET last_id = :last_id, result_count = result_count + :count WHERE number = :storage;

-- name: newest_partner
-- The newest result of a business partner, in a status, above a number.
SELECT e.number FROM results AS e INDEXED BY results_by_partner
WHERE e.storage = :storage AND e.partner = :value AND e.status = :status AND e.number > :low
AND EXISTS (
    SELECT 1 FROM result_runs AS r
    WHERE r.number = e.run AND r.removed = 0 AND (:job_type IS NULL OR r.job_type = :job_type)
)
ORDER BY e.number DESC
LIMIT 1;

-- name: newest_external
-- The newest result of a record of a data source, in a status, above a number.
SELECT e.number FROM results AS e INDEXED BY results_by_external
WHERE e.storage = :storage AND e.external = :value AND e.source = :source AND e.status = :status
AND e.number > :low
AND EXISTS (
    SELECT 1 FROM result_runs AS r
    WHERE r.number = e.run AND r.removed = 0 AND (:job_type IS NULL OR r.job_type = :job_type)
)
ORDER BY e.number DESC
LIMIT 1;

-- name: runs_of_job
-- What a job wrote, by storage; of all storages of the organization, or of one.
SELECT r.number, r.storage, r.result_count
FROM result_runs AS r INDEXED BY result_runs_by_job CROSS JOIN storages AS s ON s.number = r.storage
WHERE r.job_id = :job_id AND r.removed = 0
AND s.organization_id = :organization_id AND (:storage_id IS NULL OR s.id = :storage_id);

-- name: remove_run
-- Makes the results of a run be seen no more.
UPDATE result_runs SET removed = 1 WHERE number = :run;

-- name: shrink_storage
-- Counts results that were removed.
UPDATE storages SET result_count = result_count - :count WHERE number = :storage;

-- name: next_removed_run
-- A run that was removed and has not gone yet.
SELECT number FROM result_runs INDEXED BY result_runs_removed WHERE removed = 1 LIMIT 1;

-- name: sweep_results
-- Frees the room of some results of a run.
DELETE FROM results
WHERE number IN (SELECT number FROM results INDEXED BY results_by_run WHERE run = :run LIMIT :limit);

-- name: delete_run
-- Removes a run that has no results any more.
DELETE FROM result_runs WHERE number = :run;
