-- Version 2. Results of jobs and processing logs. Their ids are numbers within a storage; a row's own number
-- is storage * 2^40 + id, so that each index lists the rows of a storage in the order of their ids.

-- Storages get a number, and count what they hold.
CREATE TABLE numbered_storages (
    number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 8388607),
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    last_id INTEGER NOT NULL DEFAULT 0 CHECK (last_id BETWEEN 0 AND 1099511627775),  -- of results and log entries
    result_count INTEGER NOT NULL DEFAULT 0 CHECK (result_count >= 0),  -- without those of removed runs
    UNIQUE (organization_id, id)
);

INSERT INTO numbered_storages (organization_id, id, opened_at)
SELECT organization_id, id, opened_at FROM storages;

DROP TABLE storages;

ALTER TABLE numbered_storages RENAME TO storages;

-- What one job wrote to one storage. It is removed by a mark: its results are not seen from then on, and go
-- little by little; then the run goes itself.
CREATE TABLE result_runs (
    number INTEGER PRIMARY KEY,
    storage INTEGER NOT NULL REFERENCES storages (number),
    job_id TEXT NOT NULL,
    job_type TEXT,
    first INTEGER NOT NULL,  -- the number of its first result
    last INTEGER NOT NULL,  -- the number of its last result; others may have written in between
    result_count INTEGER NOT NULL CHECK (result_count >= 0),
    removed INTEGER NOT NULL DEFAULT 0 CHECK (removed IN (0, 1))
);

CREATE UNIQUE INDEX result_runs_by_job ON result_runs (job_id, storage) WHERE removed = 0;
CREATE INDEX result_runs_removed ON result_runs (storage, number) WHERE removed = 1;

-- Results; rows are never changed. One index per filter, each with the status in it, in the order of ids.
CREATE TABLE results (
    number INTEGER PRIMARY KEY,
    storage INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES result_runs (number),
    partner TEXT,
    source TEXT,
    external TEXT,
    status TEXT NOT NULL CHECK (status IN ('OK', 'FAILED')),
    document TEXT NOT NULL,
    CONSTRAINT number_holds_storage CHECK (number >> 40 = storage),
    CONSTRAINT names_a_record CHECK (partner IS NOT NULL OR (source IS NOT NULL AND external IS NOT NULL))
);

CREATE INDEX results_by_status ON results (storage, status);
CREATE INDEX results_by_run ON results (run, status);
CREATE INDEX results_by_partner ON results (storage, partner, status) WHERE partner IS NOT NULL;
CREATE INDEX results_by_source ON results (storage, source, status) WHERE source IS NOT NULL;
CREATE INDEX results_by_external ON results (storage, external, status) WHERE external IS NOT NULL;

-- The processing logs that have had an entry.
CREATE TABLE logs (
    number INTEGER PRIMARY KEY,
    storage INTEGER NOT NULL REFERENCES storages (number),
    id TEXT NOT NULL,
    entry_count INTEGER NOT NULL CHECK (entry_count >= 0),  -- with those that a removal hides
    last_at INTEGER NOT NULL,  -- the latest created_at
    in_order INTEGER NOT NULL CHECK (in_order IN (0, 1)),  -- 0 when the clock was ever put back between entries
    UNIQUE (storage, id)
);

-- Their entries; rows are never changed. The result data stands apart from the document.
CREATE TABLE log_entries (
    number INTEGER PRIMARY KEY,
    log INTEGER NOT NULL REFERENCES logs (number),
    partner TEXT,
    source TEXT,
    external TEXT,
    status TEXT NOT NULL CHECK (status IN ('OK', 'FAILED')),
    created_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    result_data TEXT,
    CONSTRAINT names_a_record CHECK (partner IS NOT NULL OR (source IS NOT NULL AND external IS NOT NULL))
);

CREATE INDEX log_entries_by_status ON log_entries (log, status);
CREATE INDEX log_entries_by_partner ON log_entries (log, partner, status) WHERE partner IS NOT NULL;
CREATE INDEX log_entries_by_source ON log_entries (log, source, status) WHERE source IS NOT NULL;
CREATE INDEX log_entries_by_external ON log_entries (log, external, status) WHERE external IS NOT NULL;
CREATE INDEX log_entries_by_time ON log_entries (log, created_at);

-- Removals of log entries: what one names is not seen from then on, and goes little by little; then the
-- removal goes itself. Lists are JSON arrays; null = any.
CREATE TABLE log_removals (
    number INTEGER PRIMARY KEY,
    log INTEGER NOT NULL REFERENCES logs (number),
    up_to INTEGER NOT NULL,  -- the number of the last entry that was there
    swept INTEGER NOT NULL DEFAULT 0,  -- the number of the last entry that has gone, or was found not to be meant
    created_before INTEGER,
    partners TEXT,
    sources TEXT,
    externals TEXT
);

CREATE INDEX log_removals_by_log ON log_removals (log, number);
