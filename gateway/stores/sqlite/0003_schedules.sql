-- Version 3. Scheduled jobs, and an index of their runs that have not ended.

-- A scheduled job: the columns that are searched, and the document that replies show, its secrets masked.
-- id, organization_id and created_at never change.
CREATE TABLE schedules (
    number INTEGER PRIMARY KEY,  -- the schedule's name inside this file; secrets point at it
    id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
    organization_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    next_run_at INTEGER,
    version INTEGER NOT NULL CHECK (version >= 1),
    words TEXT NOT NULL,  -- the words of name and description, each with a blank before it
    document TEXT NOT NULL,
    CONSTRAINT paused_is_never_due CHECK (paused = 0 OR next_run_at IS NULL)
);

CREATE INDEX schedules_by_created ON schedules (organization_id, created_at, id);
CREATE INDEX schedules_due ON schedules (next_run_at, id) WHERE next_run_at IS NOT NULL;

-- The sealed values of the secret variables of a schedule's job.
CREATE TABLE schedule_secrets (
    number INTEGER NOT NULL REFERENCES schedules (number) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (number, name)
) WITHOUT ROWID;

-- Runs outlive their schedule, so no foreign key leads from jobs to schedules.
CREATE INDEX jobs_open_by_schedule ON jobs (scheduled_job_id, created_at, id)
    WHERE scheduled_job_id IS NOT NULL AND finished_at IS NULL;
