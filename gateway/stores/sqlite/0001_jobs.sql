-- Version 1. Instants are milliseconds since 1970-01-01T00:00:00Z; documents are the JSON that replies show.

-- A job: the columns that are searched, the document, and what only the engine needs.
-- id, organization_id, user, storage_id, type, scheduled_job_id, created_at and priority never change.
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,  -- the job's name inside this file; history, request and secrets point at it
    id TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 64),
    organization_id TEXT NOT NULL,
    user TEXT NOT NULL,
    storage_id TEXT,
    type TEXT,
    scheduled_job_id TEXT,
    created_at INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    status TEXT NOT NULL CHECK (
        status IN ('UNKNOWN', 'PERSISTED', 'SCHEDULED', 'WAITING', 'RUNNING', 'FINISHED', 'DIED', 'CANCELED', 'FAILED')
    ),
    version INTEGER NOT NULL CHECK (version >= 1),
    finished_at INTEGER,
    expires_at INTEGER,
    event_count INTEGER NOT NULL CHECK (event_count >= 0),
    wake_at INTEGER,
    claimed INTEGER NOT NULL CHECK (claimed IN (0, 1)),
    handle TEXT,
    token_hash TEXT CHECK (length(token_hash) = 64),
    stop TEXT CHECK (stop IN ('CANCEL', 'TIMEOUT', 'HEARTBEAT')),
    stop_grace_seconds INTEGER CHECK (stop_grace_seconds >= 0),
    words TEXT NOT NULL,  -- the words of name and description, each with a blank before it
    document TEXT NOT NULL,
    CONSTRAINT final_has_finished_at
        CHECK ((status IN ('FINISHED', 'DIED', 'CANCELED', 'FAILED')) = (finished_at IS NOT NULL)),
    CONSTRAINT claimed_is_held CHECK (claimed = 0 OR status IN ('SCHEDULED', 'RUNNING', 'UNKNOWN'))
);

CREATE TRIGGER final_stays_final BEFORE UPDATE OF status ON jobs
WHEN old.finished_at IS NOT NULL AND new.status <> old.status
BEGIN
    SELECT RAISE(ABORT, 'a final job never leaves its status');
END;

-- One index per filter of listJobs, each in the order of lists. Over all organizations, the ones that are
-- needed most have an index of their own; the others are read organization by organization.
CREATE INDEX jobs_by_created ON jobs (created_at, id);
CREATE INDEX jobs_by_organization ON jobs (organization_id, created_at, id);
CREATE INDEX jobs_by_user ON jobs (organization_id, user, created_at, id);
CREATE INDEX jobs_by_storage ON jobs (organization_id, storage_id, created_at, id) WHERE storage_id IS NOT NULL;
CREATE INDEX jobs_by_type ON jobs (organization_id, type, created_at, id) WHERE type IS NOT NULL;
CREATE INDEX jobs_by_type_anywhere ON jobs (type, created_at, id) WHERE type IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs (organization_id, status, created_at, id);
CREATE INDEX jobs_by_status_anywhere ON jobs (status, created_at, id);
CREATE INDEX jobs_by_schedule ON jobs (scheduled_job_id, created_at, id) WHERE scheduled_job_id IS NOT NULL;

-- What the loops look for. These indexes hold only the few jobs that are in that state.
CREATE INDEX jobs_in_queue ON jobs (priority DESC, created_at, id) WHERE status = 'SCHEDULED' AND claimed = 0;
CREATE INDEX jobs_in_queue_by_organization ON jobs (organization_id, priority DESC, created_at, id)
    WHERE status = 'SCHEDULED' AND claimed = 0;
CREATE INDEX jobs_due ON jobs (wake_at, id) WHERE status = 'WAITING' AND wake_at IS NOT NULL;
CREATE INDEX jobs_claimed ON jobs (organization_id, claimed) WHERE claimed = 1;
CREATE INDEX jobs_expiring ON jobs (expires_at, id) WHERE finished_at IS NOT NULL AND expires_at IS NOT NULL;
CREATE INDEX jobs_not_final ON jobs (organization_id, finished_at) WHERE finished_at IS NULL;

-- What a job was started with, secrets masked.
CREATE TABLE job_requests (
    number INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
    document TEXT NOT NULL
);

-- The sealed values of a job's secret variables.
CREATE TABLE job_secrets (
    number INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (number, name)
) WITHOUT ROWID;

-- The history of a job; entries are never changed.
CREATE TABLE job_events (
    number INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    id INTEGER NOT NULL CHECK (id >= 1),
    document TEXT NOT NULL,
    PRIMARY KEY (number, id)
) WITHOUT ROWID;

-- Tags, labels (written name=value) and words of jobs, in the order of lists. They repeat what the job's
-- document holds and point at no row: a foreign key would need a second index.
CREATE TABLE job_tags (
    organization_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, tag, created_at, job_id)
) WITHOUT ROWID;

CREATE TABLE job_labels (
    organization_id TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, label, created_at, job_id)
) WITHOUT ROWID;

CREATE TABLE job_words (
    organization_id TEXT NOT NULL,
    word TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, word, created_at, job_id)
) WITHOUT ROWID;

-- What a job depends on. The other job may be deleted before this one; that changes nothing here.
CREATE TABLE job_dependencies (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    on_job_id TEXT NOT NULL,
    position INTEGER NOT NULL,  -- in the order of the request
    condition TEXT NOT NULL CHECK (condition IN ('FINISHED', 'ENDED')),
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    created_at INTEGER NOT NULL,  -- of the job that depends
    PRIMARY KEY (job_id, on_job_id)
) WITHOUT ROWID;

CREATE INDEX job_dependents ON job_dependencies (on_job_id, created_at, job_id, open, condition);

-- The queues of the locks. A job that has a place cannot be deleted: nobody would move up.
CREATE TABLE lock_places (
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    place INTEGER NOT NULL CHECK (place >= 1),
    job_id TEXT NOT NULL REFERENCES jobs (id),
    holds INTEGER NOT NULL CHECK (holds IN (0, 1)),
    PRIMARY KEY (organization_id, name, place)
) WITHOUT ROWID;

CREATE UNIQUE INDEX lock_places_by_job ON lock_places (job_id, organization_id, name);
CREATE UNIQUE INDEX lock_has_one_holder ON lock_places (organization_id, name) WHERE holds = 1;

-- Result storages that were opened.
CREATE TABLE storages (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) WITHOUT ROWID;

-- The first request under each idempotency key.
CREATE TABLE idempotency (
    organization_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    at INTEGER NOT NULL,
    job_id TEXT,
    reply BLOB,
    PRIMARY KEY (organization_id, operation, key)
) WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (at);

-- API keys; of the key itself only its hash.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('reader', 'operator', 'admin')),
    organization_id TEXT NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER
) WITHOUT ROWID;

CREATE UNIQUE INDEX api_keys_by_name ON api_keys (organization_id, name) WHERE revoked_at IS NULL;

-- Deletions and changes of keys; outlives what it is about.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    detail TEXT NOT NULL
);

-- Values that are made once and shared by all who use this file.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
