-- What a connection asks about itself, its transaction and its server.

-- name: lock
-- Has others wait who lock the same, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(:what, 0));

-- name: insert_writer
-- Makes the row of a writer, before its first commit.
INSERT INTO commits (writer, number, at) VALUES (:writer, 0, clock_timestamp()) ON CONFLICT DO NOTHING;

-- name: forget_writers
-- Removes the rows of writers that are gone.
DELETE FROM commits WHERE at < clock_timestamp() - interval '30 days';

-- name: last_words
-- Stores the number of a commit with all that it stores, and what other gateways are told when it is made.
WITH noted AS (
    INSERT INTO commits (writer, number, at) VALUES (:writer, :number, clock_timestamp())
    ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = excluded.at
)
SELECT count(pg_notify('jobs_gateway', payload)) FROM unnest(CAST(:payloads AS text[])) AS told (payload);

-- name: last_commit
-- The number of a writer's latest commit. One that is under way is waited for.
SELECT number FROM commits WHERE writer = :writer FOR UPDATE;

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
