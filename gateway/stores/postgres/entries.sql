-- Results and log entries are found alike (postgres_entries.py): {table} is `results` or `log_entries`, and
-- {column} the column of the storage, of the log or of the run.

-- name: columns_results
-- What is shown of a result: its document.
e.document;

-- name: columns_log_entries
-- What is shown of a log entry: its document and, if :data says so, its data.
e.document, CASE WHEN :data THEN e.result_data END;

-- name: entries_by_number
-- The entries with the numbers of an array, in its order.
SELECT e.number, {columns}
FROM unnest(CAST(:numbers AS bigint[])) WITH ORDINALITY AS n (number, place) JOIN {table} AS e ON e.number = n.number
WHERE {checks}
ORDER BY n.place;

-- name: entry_numbers
-- The first numbers of the stretches of an index: one for each value and status.
SELECT x.number
FROM unnest(CAST(:values AS text[])) AS v (value)
CROSS JOIN unnest(CAST(:statuses AS text[])) AS s (status)
CROSS JOIN LATERAL (SELECT e.number {source} ORDER BY e.number LIMIT :count) AS x
ORDER BY x.number
LIMIT :count;

-- name: count_entries
-- How many entries lie in the stretches, counted up to :count.
SELECT count(*)
FROM (
    SELECT 1
    FROM unnest(CAST(:values AS text[])) AS v (value)
    CROSS JOIN unnest(CAST(:statuses AS text[])) AS s (status)
    CROSS JOIN LATERAL (SELECT 1 {source}) AS x
    LIMIT :count
) AS found;

-- name: source_entries
-- A stretch of an index: of what {column} says, in a status.
FROM {table} AS e
WHERE e.{column} = :scope AND e.status = s.status AND e.number > :low AND e.number <= :high;

-- name: where_entry_has
-- With the value of the stretch.
e.{filter} = v.value;

-- name: where_entries_value
-- With one of the values, an array.
e.{filter} = ANY (:{filter});

-- name: where_entries_run
-- Of the run.
e.run = :run;

-- name: where_result_seen
-- Of no removed run.
e.run NOT IN (SELECT number FROM result_runs WHERE storage = :storage AND removed);

-- name: where_entry_seen
-- Meant by no removal.
NOT EXISTS (
    SELECT 1 FROM log_removals AS r
    WHERE r.log = :log AND e.number <= r.up_to
    AND (r.created_before IS NULL OR e.created_at < r.created_before)
    AND (r.partners IS NULL OR e.partner IN (SELECT json_array_elements_text(CAST(r.partners AS json))))
    AND (r.sources IS NULL OR e.source IN (SELECT json_array_elements_text(CAST(r.sources AS json))))
    AND (r.externals IS NULL OR e.external IN (SELECT json_array_elements_text(CAST(r.externals AS json))))
);

-- name: where_entry_after
-- Stored at an instant or later.
e.created_at >= :created_after;

-- name: where_entry_before
-- Stored before an instant.
e.created_at < :created_before;
