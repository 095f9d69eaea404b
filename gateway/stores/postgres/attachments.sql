-- Files attached to jobs.

-- name: begin_file
-- Makes room for a file that comes in.
INSERT INTO attachment_files DEFAULT VALUES RETURNING number;

-- name: add_piece
-- Adds the next piece to a file that comes in; a piece that is there already stays.
WITH added AS (
    INSERT INTO attachment_pieces (file, place, data) VALUES (:file, :place, :data)
    ON CONFLICT DO NOTHING
    RETURNING octet_length(data) AS size
)
UPDATE attachment_files
SET size = attachment_files.size + added.size, touched_at = clock_timestamp()
FROM added
WHERE number = :file;

-- name: keep_file
-- Makes a file that has come in a job's attachment.
UPDATE attachment_files
SET job_id = :job_id, attachment_id = :attachment_id, touched_at = clock_timestamp()
WHERE number = :file;

-- name: discard_file
-- Removes a file that nobody kept.
DELETE FROM attachment_files WHERE number = :file AND job_id IS NULL;

-- name: discard_old_files
-- Removes what began to come in and did not go on.
DELETE FROM attachment_files WHERE job_id IS NULL AND touched_at < clock_timestamp() - interval '1 hour';

-- name: file
-- A job's attachment.
SELECT number, size FROM attachment_files WHERE job_id = :job_id AND attachment_id = :attachment_id;

-- name: piece
-- A piece of a file.
SELECT data FROM attachment_pieces WHERE file = :file AND place = :place;

-- name: remove_file
-- Removes an attachment.
DELETE FROM attachment_files WHERE job_id = :job_id AND attachment_id = :attachment_id;

-- name: remove_files
-- Removes all attachments of a job.
DELETE FROM attachment_files WHERE job_id = :job_id;

-- name: kept_files
-- All attachments but the newest: the job of one that was just kept may not name it yet.
SELECT job_id, attachment_id FROM attachment_files
WHERE job_id IS NOT NULL AND touched_at < clock_timestamp() - interval '1 hour';
