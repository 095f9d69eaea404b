-- 20 000 jobs from :noon on, one each millisecond, 20 000 results and log entries; each value of a column has a
-- hundredth of them.
SET search_path = jobs_gateway;
INSERT INTO nodes (identity, name, lease_until) VALUES ('one', 'the one', now());
INSERT INTO jobs (
    id, organization_id, "user", storage_id, type, scheduled_job_id, created_at, priority,
    status, version, finished_at, expires_at, event_count, wake_at, claimed, node, words, document
)
SELECT
    'j' || n, 'acme', 'u' || n % 100, 's' || n % 100, 'T' || n % 100, 'c' || n % 100, :noon + n, 5,
    CASE n % 200
        WHEN 0 THEN 'FAILED' WHEN 1 THEN 'WAITING' WHEN 2 THEN 'SCHEDULED' WHEN 3 THEN 'RUNNING'
        ELSE 'FINISHED'
    END,
    1, CASE WHEN n % 200 NOT IN (1, 2, 3) THEN n END, CASE WHEN n % 200 = 4 THEN n END, 0,
    CASE WHEN n % 200 = 1 THEN n END, n % 200 = 3, CASE WHEN n % 200 = 3 THEN 1 END, ' word' || n % 100 || ' x', '{}'
FROM generate_series(1, 20000) AS n;
INSERT INTO jobs (
    id, organization_id, "user", created_at, priority, status, version, finished_at, event_count, claimed, words,
    document
)
SELECT 'o' || n, 'other', 'u', :noon + n, 5, 'FINISHED', 1, n, 0, false, '', '{}'
FROM generate_series(1, 20000) AS n;
INSERT INTO job_tags
SELECT 'acme', tag, :noon + n, 'j' || n
FROM generate_series(1, 20000) AS n, LATERAL (VALUES ('t' || n % 100), ('all')) AS given (tag);
INSERT INTO job_labels SELECT 'acme', 'l=' || n % 100, :noon + n, 'j' || n FROM generate_series(1, 20000) AS n;
INSERT INTO job_words SELECT 'acme', 'word' || n % 100, :noon + n, 'j' || n FROM generate_series(1, 20000) AS n;
INSERT INTO job_dependencies (job_id, on_job_id, position, condition, open, created_at)
SELECT 'j' || n, 'j' || n % 100, 0, 'ENDED', true, :noon + n FROM generate_series(1, 20000) AS n;
INSERT INTO storages (number, organization_id, id, opened_at, last_id) VALUES (1, 'acme', 's', 0, 20000);
INSERT INTO result_runs (number, storage, job_id, first, last, result_count)
SELECT n, 1, 'j' || n, 1, 20000, 1 FROM generate_series(0, 99) AS n;
INSERT INTO results (number, storage, run, partner, source, external, status, document)
SELECT
    (CAST(1 AS bigint) << 40) + n, 1, n % 100, 'p' || n % 100, 'd' || n % 100, 'e' || n % 100,
    CASE WHEN n % 2 = 0 THEN 'OK' ELSE 'FAILED' END, '{}'
FROM generate_series(1, 20000) AS n;
INSERT INTO logs (number, storage, id, entry_count, last_at, in_order)
VALUES (1, 1, 'CURATION_LOG', 20000, 0, true);
INSERT INTO log_entries (number, log, partner, source, external, status, created_at, document)
SELECT
    (CAST(1 AS bigint) << 40) + n, 1, 'p' || n % 100, 'd' || n % 100, 'e' || n % 100,
    CASE WHEN n % 2 = 0 THEN 'OK' ELSE 'FAILED' END, :noon + n, '{}'
FROM generate_series(1, 20000) AS n;
