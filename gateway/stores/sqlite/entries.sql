-- Results and log entries are found alike (sqlite_entries.py): {table} is `results` or `log_entries`, {scope}
-- the column of the storage or of the log. Each range is a stretch of one index, in the order of numbers.

-- name: columns_results
-- What is shown of a result: its document.
CAST(e.document AS BLOB);

-- name: columns_log_entries
-- What is shown of a log entry: its document and, if :data says so, its data.
CAST(e.document AS BLOB), CASE WHEN :data THEN e.result_data END;

-- name: range_entries_all
-- The entries of a scope, or of what {column} says instead, in a status.
FROM {table} AS e INDEXED BY {table}_by_{index}
WHERE e.{column} = :scope AND e.status = :status AND e.number > :low AND e.number <= :high;

-- name: range_entries_of
-- The entries of a scope with a value of {filter}, in a status.
FROM {table} AS e INDEXED BY {table}_by_{filter}
WHERE e.{scope} = :scope AND e.{filter} = :value AND e.status = :status
AND e.number > :low AND e.number <= :high;

-- name: where_entries_value
-- With one of the values, a JSON array.
e.{filter} IN (SELECT value FROM json_each(:{filter}));

-- name: where_entries_run
-- Of the run.
e.run = :run;

-- name: where_result_seen
-- Of no removed run.
e.run NOT IN (
    SELECT number FROM result_runs INDEXED BY result_runs_removed WHERE storage = :storage AND removed = 1
);

-- name: where_entry_seen
-- Meant by no removal.
NOT EXISTS (
    SELECT 1 FROM log_removals AS r INDEXED BY log_removals_by_log
    WHERE r.log = :log AND e.number <= r.up_to
    AND (r.created_before IS NULL OR e.created_at < r.created_before)
    AND (r.partners IS NULL OR e.partner IN (SELECT value FROM json_each(r.partners)))
    AND (r.sources IS NULL OR e.source IN (SELECT value FROM json_each(r.sources)))
    AND (r.externals IS NULL OR e.external IN (SELECT value FROM json_each(r.externals)))
);

-- name: where_entry_after
-- Stored at an instant or later.
e.created_at >= :created_after;

-- name: where_entry_before
-- Stored before an instant.
e.created_at < :created_before;
