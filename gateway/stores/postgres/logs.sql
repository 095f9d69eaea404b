-- Processing logs. How entries are found is in entries.sql.

-- name: log
-- A log that has had an entry, with its storage's number and the id given there last.
SELECT l.number, l.entry_count, l.in_order, s.number, s.last_id
FROM storages AS s JOIN logs AS l ON l.storage = s.number
WHERE s.organization_id = :organization_id AND s.id = :storage_id AND l.id = :id;

-- name: insert_log
-- Stores that a log has its first entry.
INSERT INTO logs (storage, id, entry_count, last_at, in_order) VALUES (:storage, :id, 0, :at, true)
RETURNING number;

-- name: insert_entry
-- Stores entries; each `?` is an array with one column of them.
INSERT INTO log_entries (number, log, partner, source, external, status, created_at, document, result_data)
SELECT * FROM unnest(
    CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]),
    CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS bytea[]), CAST(? AS text[])
);

-- name: grow_log
-- Counts entries that were written at an instant.
UPDATE logs
SET entry_count = entry_count + :count, in_order = in_order AND :at >= last_at,
    last_at = greatest(last_at, :at)
WHERE number = :log;

-- name: first_entry_at
-- The first entry of an instant or later.
SELECT number FROM log_entries
WHERE log = :log AND created_at >= :at
ORDER BY created_at, number
LIMIT 1;

-- name: removals
-- The removals of a log that have not gone yet.
SELECT up_to, created_before, partners, sources, externals FROM log_removals WHERE log = :log;

-- name: insert_removal
-- Makes entries be seen no more.
INSERT INTO log_removals (log, up_to, created_before, partners, sources, externals)
VALUES (:log, :up_to, :created_before, :partners, :sources, :externals);

-- name: next_removal
-- The oldest removal that has not gone yet.
SELECT r.number, r.log, r.up_to, r.swept, r.created_before, r.partners, r.sources, r.externals, l.in_order
FROM log_removals AS r JOIN logs AS l ON l.number = r.log
ORDER BY r.number
LIMIT 1;

-- name: sweep_entries
-- Frees the room of entries whose numbers are a JSON array, and that were stored before an instant, if given.
DELETE FROM log_entries
WHERE number = ANY (
    ARRAY(SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(:numbers AS json)) AS n (value))
)
AND (CAST(:before AS bigint) IS NULL OR created_at < CAST(:before AS bigint));

-- name: shrink_log
-- Counts entries that have gone.
UPDATE logs SET entry_count = entry_count - :count WHERE number = :log;

-- name: sweep_on
-- Stores how far a removal has been seen to.
UPDATE log_removals SET swept = :swept WHERE number = :removal;

-- name: delete_removal
-- Removes a removal that has been seen to.
DELETE FROM log_removals WHERE number = :removal;
