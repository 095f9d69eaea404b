-- What a connection asks about itself, its transaction and its server.

-- name: lock
-- Has others wait who lock the same, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(:what, 0));

-- name: last_words
-- The number of a transaction that has written, and what other gateways are told when it is committed.
SELECT
    CAST(pg_current_xact_id_if_assigned() AS text),
    (SELECT count(pg_notify('jobs_gateway', payload)) FROM unnest(CAST(:payloads AS text[])) AS told (payload));

-- name: outcome
-- What became of a transaction: committed, aborted or in progress.
SELECT pg_xact_status(CAST(:number AS xid8));

-- name: time
-- The server's time, in microseconds since 1970.
SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint);

-- name: end_halted
-- Ends sessions that write and have waited in a transaction for so long, which the server does not always do by
-- itself: in the middle of a pipeline a session is active while it waits, and a request to flush that comes
-- behind the last statement ends the server's timer. Gives their processes, and whether each was ended.
SELECT pid, pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name LIKE '% writer'
    AND state <> 'idle' AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - make_interval(secs => :seconds);
