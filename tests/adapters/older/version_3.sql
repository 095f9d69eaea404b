PRAGMA application_id = 1248813683;
PRAGMA user_version = 3;
BEGIN TRANSACTION;
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
INSERT INTO "api_keys" VALUES('old','ann','admin','default','0000000000000000000000000000000000000000000000000000000000000000',1795694098472,NULL,NULL,1795694101475);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    detail TEXT NOT NULL
);
INSERT INTO "audit" VALUES(1,1795694098472,'local:root','key.created','cbe4475bd825','default','ann (admin)');
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
CREATE TABLE job_dependencies (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    on_job_id TEXT NOT NULL,
    position INTEGER NOT NULL,  -- in the order of the request
    condition TEXT NOT NULL CHECK (condition IN ('FINISHED', 'ENDED')),
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    created_at INTEGER NOT NULL,  -- of the job that depends
    PRIMARY KEY (job_id, on_job_id)
) WITHOUT ROWID;
INSERT INTO "job_dependencies" VALUES('01a217b5-846b-7000-b6ce-76f3107f4e64','01a217b5-845f-7000-8217-f5a691b17a9c',0,'FINISHED',1,1795694101611);
CREATE TABLE job_events (
    number INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    id INTEGER NOT NULL CHECK (id >= 1),
    document TEXT NOT NULL,
    PRIMARY KEY (number, id)
) WITHOUT ROWID;
INSERT INTO "job_events" VALUES(1,1,'{"id":"1","jobId":"01a217b5-83e5-7000-b052-b20fb7bbf355","at":"2026-11-26T11:55:01.477Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"8d4eb0d9f111d544063e77ee12704940"}');
INSERT INTO "job_events" VALUES(1,2,'{"id":"2","jobId":"01a217b5-83e5-7000-b052-b20fb7bbf355","at":"2026-11-26T11:55:01.477Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"SCHEDULED","actor":"ann","protocol":"REST","requestId":"8d4eb0d9f111d544063e77ee12704940"}');
INSERT INTO "job_events" VALUES(1,3,'{"id":"3","jobId":"01a217b5-83e5-7000-b052-b20fb7bbf355","at":"2026-11-26T11:55:01.499Z","kind":"STATUS","fromStatus":"SCHEDULED","toStatus":"RUNNING","attempt":1,"actor":"gateway","protocol":"ENGINE"}');
INSERT INTO "job_events" VALUES(1,4,'{"id":"4","jobId":"01a217b5-83e5-7000-b052-b20fb7bbf355","at":"2026-11-26T11:55:01.519Z","kind":"STATUS","fromStatus":"RUNNING","toStatus":"FINISHED","attempt":1,"exitCode":0,"actor":"gateway","protocol":"ENGINE"}');
INSERT INTO "job_events" VALUES(1,5,'{"id":"5","jobId":"01a217b5-83e5-7000-b052-b20fb7bbf355","at":"2026-11-26T11:55:01.534Z","kind":"FIELDS","attempt":1,"actor":"ann","protocol":"REST","requestId":"b01f7d79170458ca2cbbf230553f6e70","message":"changed: resultData"}');
INSERT INTO "job_events" VALUES(2,1,'{"id":"1","jobId":"01a217b5-8423-7000-a0a0-846bf40cc048","at":"2026-11-26T11:55:01.539Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"902132665e7ce89445d76a70b2007689"}');
INSERT INTO "job_events" VALUES(2,2,'{"id":"2","jobId":"01a217b5-8423-7000-a0a0-846bf40cc048","at":"2026-11-26T11:55:01.539Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"SCHEDULED","actor":"ann","protocol":"REST","requestId":"902132665e7ce89445d76a70b2007689"}');
INSERT INTO "job_events" VALUES(2,3,'{"id":"3","jobId":"01a217b5-8423-7000-a0a0-846bf40cc048","at":"2026-11-26T11:55:01.578Z","kind":"STATUS","fromStatus":"SCHEDULED","toStatus":"RUNNING","attempt":1,"actor":"gateway","protocol":"ENGINE"}');
INSERT INTO "job_events" VALUES(2,4,'{"id":"4","jobId":"01a217b5-8423-7000-a0a0-846bf40cc048","at":"2026-11-26T11:55:01.589Z","kind":"STATUS","fromStatus":"RUNNING","toStatus":"FAILED","attempt":1,"exitCode":1,"actor":"gateway","protocol":"ENGINE","message":"ended with exit code 1"}');
INSERT INTO "job_events" VALUES(3,1,'{"id":"1","jobId":"01a217b5-845f-7000-8217-f5a691b17a9c","at":"2026-11-26T11:55:01.599Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"4ce2063b4014e45dec02957c9a92a7d3"}');
INSERT INTO "job_events" VALUES(3,2,'{"id":"2","jobId":"01a217b5-845f-7000-8217-f5a691b17a9c","at":"2026-11-26T11:55:01.599Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"WAITING","actor":"ann","protocol":"REST","requestId":"4ce2063b4014e45dec02957c9a92a7d3","message":"waits until 2999-01-01T00:00:00.000Z (notBefore)"}');
INSERT INTO "job_events" VALUES(4,1,'{"id":"1","jobId":"01a217b5-846b-7000-b6ce-76f3107f4e64","at":"2026-11-26T11:55:01.611Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"e86a26b4ba3fe6b5ebb0a9cd3455a1a8"}');
INSERT INTO "job_events" VALUES(4,2,'{"id":"2","jobId":"01a217b5-846b-7000-b6ce-76f3107f4e64","at":"2026-11-26T11:55:01.611Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"WAITING","actor":"ann","protocol":"REST","requestId":"e86a26b4ba3fe6b5ebb0a9cd3455a1a8","message":"waits for job 01a217b5-845f-7000-8217-f5a691b17a9c to end"}');
INSERT INTO "job_events" VALUES(5,1,'{"id":"1","jobId":"01a217b5-8473-7000-b593-ab8804f08d4e","at":"2026-11-26T11:55:01.619Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"615c15c4f24275aa2c527d18e0586ef3"}');
INSERT INTO "job_events" VALUES(5,2,'{"id":"2","jobId":"01a217b5-8473-7000-b593-ab8804f08d4e","at":"2026-11-26T11:55:01.619Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"WAITING","actor":"ann","protocol":"REST","requestId":"615c15c4f24275aa2c527d18e0586ef3","message":"waits until 2999-01-01T00:00:00.000Z (notBefore)"}');
INSERT INTO "job_events" VALUES(5,3,'{"id":"3","jobId":"01a217b5-8473-7000-b593-ab8804f08d4e","at":"2026-11-26T11:55:01.630Z","kind":"STATUS","fromStatus":"WAITING","toStatus":"CANCELED","actor":"ann","protocol":"REST","requestId":"5e54a3048201824cfe18a477466a0595","message":"canceled by ann: no"}');
CREATE TABLE job_labels (
    organization_id TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, label, created_at, job_id)
) WITHOUT ROWID;
INSERT INTO "job_labels" VALUES('default','l=v',1795694101477,'01a217b5-83e5-7000-b052-b20fb7bbf355');
CREATE TABLE job_requests (
    number INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
    document TEXT NOT NULL
);
INSERT INTO "job_requests" VALUES(1,'{"name":"full ä€😀","description":"every field\r\n<&>","type":"DATA_CURATION_JOB","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[{"name":"A","value":" x "},{"name":"B"}],"inputUri":"s3://i","resultStorageId":"s","featuresOn":[],"domain":"d","workspaceId":"w","jobDependencies":[],"labels":[{"name":"l","value":"v"}],"tags":["b","a"],"locks":[{"name":"k"}],"volumes":[],"attachments":[{"name":"f","contentType":"text/plain","uri":"https://example.org/f"}],"resourceRequest":{"memoryLimit":512,"cpuLimit":0.5},"mainLabel":"l","expiresAt":"2999-01-01T00:00:00.000Z","clientId":"c","priority":0,"timeoutSeconds":77,"heartbeatTimeoutSeconds":99,"cancelGraceSeconds":3,"retryPolicy":{"maxAttempts":2,"backoffSeconds":0,"backoffFactor":1.5,"maxBackoffSeconds":3600,"retryExitCodes":[75]}}');
INSERT INTO "job_requests" VALUES(2,'{"name":"failed","dockerImageUrl":"image:1","commands":["false"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[],"volumes":[],"attachments":[],"priority":5}');
INSERT INTO "job_requests" VALUES(3,'{"name":"waiting","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[{"name":"w"}],"volumes":[],"attachments":[],"priority":5,"notBefore":"2999-01-01T00:00:00.000Z"}');
INSERT INTO "job_requests" VALUES(4,'{"name":"dependent","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[{"jobId":"01a217b5-845f-7000-8217-f5a691b17a9c"}],"labels":[],"tags":[],"locks":[{"name":"w","onConflict":"WAIT"}],"volumes":[],"attachments":[],"priority":5}');
INSERT INTO "job_requests" VALUES(5,'{"name":"canceled","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[],"volumes":[],"attachments":[],"priority":5,"notBefore":"2999-01-01T00:00:00.000Z"}');
CREATE TABLE job_secrets (
    number INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (number, name)
) WITHOUT ROWID;
CREATE TABLE job_tags (
    organization_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, tag, created_at, job_id)
) WITHOUT ROWID;
INSERT INTO "job_tags" VALUES('default','a',1795694101477,'01a217b5-83e5-7000-b052-b20fb7bbf355');
INSERT INTO "job_tags" VALUES('default','b',1795694101477,'01a217b5-83e5-7000-b052-b20fb7bbf355');
CREATE TABLE job_words (
    organization_id TEXT NOT NULL,
    word TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, word, created_at, job_id)
) WITHOUT ROWID;
INSERT INTO "job_words" VALUES('default','canceled',1795694101619,'01a217b5-8473-7000-b593-ab8804f08d4e');
INSERT INTO "job_words" VALUES('default','dependent',1795694101611,'01a217b5-846b-7000-b6ce-76f3107f4e64');
INSERT INTO "job_words" VALUES('default','every',1795694101477,'01a217b5-83e5-7000-b052-b20fb7bbf355');
INSERT INTO "job_words" VALUES('default','failed',1795694101539,'01a217b5-8423-7000-a0a0-846bf40cc048');
INSERT INTO "job_words" VALUES('default','field',1795694101477,'01a217b5-83e5-7000-b052-b20fb7bbf355');
INSERT INTO "job_words" VALUES('default','full',1795694101477,'01a217b5-83e5-7000-b052-b20fb7bbf355');
INSERT INTO "job_words" VALUES('default','waiting',1795694101599,'01a217b5-845f-7000-8217-f5a691b17a9c');
INSERT INTO "job_words" VALUES('default','ä',1795694101477,'01a217b5-83e5-7000-b052-b20fb7bbf355');
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
INSERT INTO "jobs" VALUES(1,'01a217b5-83e5-7000-b052-b20fb7bbf355','default','ann','s','DATA_CURATION_JOB',NULL,1795694101477,0,'FINISHED',6,1795694101519,32472144000000,5,NULL,0,NULL,NULL,NULL,NULL,' full ä every field','{"id":"01a217b5-83e5-7000-b052-b20fb7bbf355","name":"full ä€😀","description":"every field\r\n<&>","type":"DATA_CURATION_JOB","jobStatus":"FINISHED","lastJobStatus":"RUNNING","createdAt":"2026-11-26T11:55:01.477Z","modifiedAt":"2026-11-26T11:55:01.534Z","startedAt":"2026-11-26T11:55:01.499Z","finishedAt":"2026-11-26T11:55:01.519Z","expiresAt":"2999-01-01T00:00:00.000Z","user":"ann","organizationId":"default","workspaceId":"w","storageId":"s","domain":"d","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[{"name":"A","value":" x "},{"name":"B"}],"inputUri":"s3://i","resultData":"{\"a\":1}","jobDependencies":[],"labels":[{"name":"l","value":"v"}],"tags":["b","a"],"locks":[{"name":"k","onConflict":"REJECT"}],"metrics":[{"name":"m","value":0.000000001,"unit":"u","recordedAt":"2026-11-26T11:55:01.529Z"}],"attachments":[{"id":"link-1","name":"f","contentType":"text/plain","uri":"https://example.org/f","createdAt":"2026-11-26T11:55:01.477Z"}],"volumes":[],"resourceRequest":{"memoryLimit":512,"xmxLimit":312,"cpuLimit":0.5},"mainLabel":"l","priority":0,"attempt":1,"exitCode":0,"timeoutSeconds":77,"heartbeatTimeoutSeconds":99,"cancelGraceSeconds":3,"retryPolicy":{"maxAttempts":2,"backoffSeconds":0,"backoffFactor":1.5,"maxBackoffSeconds":3600,"retryExitCodes":[75]},"clientId":"c","modifiedBy":"ann","version":6}');
INSERT INTO "jobs" VALUES(2,'01a217b5-8423-7000-a0a0-846bf40cc048','default','ann',NULL,NULL,NULL,1795694101539,5,'FAILED',4,1795694101589,NULL,4,NULL,0,NULL,NULL,NULL,NULL,' failed','{"id":"01a217b5-8423-7000-a0a0-846bf40cc048","name":"failed","jobStatus":"FAILED","lastJobStatus":"RUNNING","message":"ended with exit code 1","createdAt":"2026-11-26T11:55:01.539Z","modifiedAt":"2026-11-26T11:55:01.589Z","startedAt":"2026-11-26T11:55:01.578Z","finishedAt":"2026-11-26T11:55:01.589Z","user":"ann","organizationId":"default","dockerImageUrl":"image:1","commands":["false"],"environmentVariables":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[],"metrics":[],"attachments":[],"volumes":[],"priority":5,"attempt":1,"exitCode":1,"cancelGraceSeconds":30,"retryPolicy":{"maxAttempts":1,"backoffSeconds":10,"backoffFactor":2,"maxBackoffSeconds":3600,"retryExitCodes":[]},"modifiedBy":"gateway","version":4}');
INSERT INTO "jobs" VALUES(3,'01a217b5-845f-7000-8217-f5a691b17a9c','default','ann',NULL,NULL,NULL,1795694101599,5,'WAITING',1,NULL,NULL,2,32472144000000,0,NULL,NULL,NULL,NULL,' waiting','{"id":"01a217b5-845f-7000-8217-f5a691b17a9c","name":"waiting","jobStatus":"WAITING","lastJobStatus":"PERSISTED","message":"waits until 2999-01-01T00:00:00.000Z (notBefore)","createdAt":"2026-11-26T11:55:01.599Z","modifiedAt":"2026-11-26T11:55:01.599Z","user":"ann","organizationId":"default","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[{"name":"w","onConflict":"REJECT"}],"metrics":[],"attachments":[],"volumes":[],"priority":5,"attempt":0,"notBefore":"2999-01-01T00:00:00.000Z","cancelGraceSeconds":30,"retryPolicy":{"maxAttempts":1,"backoffSeconds":10,"backoffFactor":2,"maxBackoffSeconds":3600,"retryExitCodes":[]},"modifiedBy":"ann","version":1}');
INSERT INTO "jobs" VALUES(4,'01a217b5-846b-7000-b6ce-76f3107f4e64','default','ann',NULL,NULL,NULL,1795694101611,5,'WAITING',1,NULL,NULL,2,NULL,0,NULL,NULL,NULL,NULL,' dependent','{"id":"01a217b5-846b-7000-b6ce-76f3107f4e64","name":"dependent","jobStatus":"WAITING","lastJobStatus":"PERSISTED","message":"waits for job 01a217b5-845f-7000-8217-f5a691b17a9c to end","createdAt":"2026-11-26T11:55:01.611Z","modifiedAt":"2026-11-26T11:55:01.611Z","user":"ann","organizationId":"default","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"jobDependencies":[{"jobId":"01a217b5-845f-7000-8217-f5a691b17a9c","condition":"FINISHED"}],"labels":[],"tags":[],"locks":[{"name":"w","onConflict":"WAIT"}],"metrics":[],"attachments":[],"volumes":[],"priority":5,"attempt":0,"cancelGraceSeconds":30,"retryPolicy":{"maxAttempts":1,"backoffSeconds":10,"backoffFactor":2,"maxBackoffSeconds":3600,"retryExitCodes":[]},"modifiedBy":"ann","version":1}');
INSERT INTO "jobs" VALUES(5,'01a217b5-8473-7000-b593-ab8804f08d4e','default','ann',NULL,NULL,NULL,1795694101619,5,'CANCELED',2,1795694101630,NULL,3,NULL,0,NULL,NULL,NULL,NULL,' canceled','{"id":"01a217b5-8473-7000-b593-ab8804f08d4e","name":"canceled","jobStatus":"CANCELED","lastJobStatus":"WAITING","message":"canceled by ann: no","createdAt":"2026-11-26T11:55:01.619Z","modifiedAt":"2026-11-26T11:55:01.630Z","finishedAt":"2026-11-26T11:55:01.630Z","user":"ann","organizationId":"default","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[],"metrics":[],"attachments":[],"volumes":[],"priority":5,"attempt":0,"notBefore":"2999-01-01T00:00:00.000Z","cancelGraceSeconds":30,"retryPolicy":{"maxAttempts":1,"backoffSeconds":10,"backoffFactor":2,"maxBackoffSeconds":3600,"retryExitCodes":[]},"modifiedBy":"ann","cancelRequestedAt":"2026-11-26T11:55:01.630Z","cancelRequestedBy":"ann","cancelReason":"no","version":2}');
CREATE TABLE lock_places (
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    place INTEGER NOT NULL CHECK (place >= 1),
    job_id TEXT NOT NULL REFERENCES jobs (id),
    holds INTEGER NOT NULL CHECK (holds IN (0, 1)),
    PRIMARY KEY (organization_id, name, place)
) WITHOUT ROWID;
INSERT INTO "lock_places" VALUES('default','w',1,'01a217b5-845f-7000-8217-f5a691b17a9c',1);
INSERT INTO "lock_places" VALUES('default','w',2,'01a217b5-846b-7000-b6ce-76f3107f4e64',0);
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
INSERT INTO "log_entries" VALUES(1099511627779,1,'p',NULL,NULL,'OK',1795694101650,'{"id":"3","processingLogId":"CURATION_LOG","storageId":"s","businessPartnerId":"p","status":"OK","createdAt":"2026-11-26T11:55:01.650Z"}','{"a":1,"b":2}');
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
CREATE TABLE logs (
    number INTEGER PRIMARY KEY,
    storage INTEGER NOT NULL REFERENCES storages (number),
    id TEXT NOT NULL,
    entry_count INTEGER NOT NULL CHECK (entry_count >= 0),  -- with those that a removal hides
    last_at INTEGER NOT NULL,  -- the latest created_at
    in_order INTEGER NOT NULL CHECK (in_order IN (0, 1)),  -- 0 when the clock was ever put back between entries
    UNIQUE (storage, id)
);
INSERT INTO "logs" VALUES(1,1,'CURATION_LOG',1,1795694101650,1);
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
INSERT INTO "result_runs" VALUES(1,1,'01a217b5-83e5-7000-b052-b20fb7bbf355','DATA_CURATION_JOB',1099511627777,1099511627778,2,0);
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
INSERT INTO "results" VALUES(1099511627777,1,1,'p',NULL,NULL,'OK','{"id":"1","jobId":"01a217b5-83e5-7000-b052-b20fb7bbf355","storageId":"s","businessPartnerId":"p","status":"OK","resultData":"{}","createdAt":"2026-11-26T11:55:01.639Z"}');
INSERT INTO "results" VALUES(1099511627778,1,1,NULL,'d','e','FAILED','{"id":"2","jobId":"01a217b5-83e5-7000-b052-b20fb7bbf355","storageId":"s","dataSourceId":"d","externalId":"e","status":"FAILED","message":"m","createdAt":"2026-11-26T11:55:01.639Z"}');
CREATE TABLE schedule_secrets (
    number INTEGER NOT NULL REFERENCES schedules (number) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (number, name)
) WITHOUT ROWID;
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
INSERT INTO "schedules" VALUES(1,'01a217b5-849b-7000-bbbc-4610a34a064a','default',1795694101659,0,1795743000000,1,' nightly','{"id":"01a217b5-849b-7000-bbbc-4610a34a064a","name":"nightly","organizationId":"default","cronExpression":"30 2 * * *","timeZone":"Europe/Berlin","paused":false,"overlapPolicy":"SKIP","misfirePolicy":"RUN_ONCE","job":{"dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[],"labels":[],"tags":["t"],"locks":[],"volumes":[],"attachments":[],"priority":5},"user":"ann","createdAt":"2026-11-26T11:55:01.659Z","modifiedAt":"2026-11-26T11:55:01.659Z","modifiedBy":"ann","nextRunAt":"2026-11-27T01:30:00.000Z","version":1}');
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "settings" VALUES('sealing_key',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
CREATE TABLE "storages" (
    number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 8388607),
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    last_id INTEGER NOT NULL DEFAULT 0 CHECK (last_id BETWEEN 0 AND 1099511627775),  -- of results and log entries
    result_count INTEGER NOT NULL DEFAULT 0 CHECK (result_count >= 0),  -- without those of removed runs
    UNIQUE (organization_id, id)
);
INSERT INTO "storages" VALUES(1,'default','s',1795694101477,3,2);
CREATE TRIGGER final_stays_final BEFORE UPDATE OF status ON jobs
WHEN old.finished_at IS NOT NULL AND new.status <> old.status
BEGIN
    SELECT RAISE(ABORT, 'a final job never leaves its status');
END;
CREATE INDEX jobs_by_created ON jobs (created_at, id);
CREATE INDEX jobs_by_organization ON jobs (organization_id, created_at, id);
CREATE INDEX jobs_by_user ON jobs (organization_id, user, created_at, id);
CREATE INDEX jobs_by_storage ON jobs (organization_id, storage_id, created_at, id) WHERE storage_id IS NOT NULL;
CREATE INDEX jobs_by_type ON jobs (organization_id, type, created_at, id) WHERE type IS NOT NULL;
CREATE INDEX jobs_by_type_anywhere ON jobs (type, created_at, id) WHERE type IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs (organization_id, status, created_at, id);
CREATE INDEX jobs_by_status_anywhere ON jobs (status, created_at, id);
CREATE INDEX jobs_by_schedule ON jobs (scheduled_job_id, created_at, id) WHERE scheduled_job_id IS NOT NULL;
CREATE INDEX jobs_in_queue ON jobs (priority DESC, created_at, id) WHERE status = 'SCHEDULED' AND claimed = 0;
CREATE INDEX jobs_in_queue_by_organization ON jobs (organization_id, priority DESC, created_at, id)
    WHERE status = 'SCHEDULED' AND claimed = 0;
CREATE INDEX jobs_due ON jobs (wake_at, id) WHERE status = 'WAITING' AND wake_at IS NOT NULL;
CREATE INDEX jobs_claimed ON jobs (organization_id, claimed) WHERE claimed = 1;
CREATE INDEX jobs_expiring ON jobs (expires_at, id) WHERE finished_at IS NOT NULL AND expires_at IS NOT NULL;
CREATE INDEX jobs_not_final ON jobs (organization_id, finished_at) WHERE finished_at IS NULL;
CREATE INDEX job_dependents ON job_dependencies (on_job_id, created_at, job_id, open, condition);
CREATE UNIQUE INDEX lock_places_by_job ON lock_places (job_id, organization_id, name);
CREATE UNIQUE INDEX lock_has_one_holder ON lock_places (organization_id, name) WHERE holds = 1;
CREATE INDEX idempotency_by_age ON idempotency (at);
CREATE UNIQUE INDEX api_keys_by_name ON api_keys (organization_id, name) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX result_runs_by_job ON result_runs (job_id, storage) WHERE removed = 0;
CREATE INDEX result_runs_removed ON result_runs (storage, number) WHERE removed = 1;
CREATE INDEX results_by_status ON results (storage, status);
CREATE INDEX results_by_run ON results (run, status);
CREATE INDEX results_by_partner ON results (storage, partner, status) WHERE partner IS NOT NULL;
CREATE INDEX results_by_source ON results (storage, source, status) WHERE source IS NOT NULL;
CREATE INDEX results_by_external ON results (storage, external, status) WHERE external IS NOT NULL;
CREATE INDEX log_entries_by_status ON log_entries (log, status);
CREATE INDEX log_entries_by_partner ON log_entries (log, partner, status) WHERE partner IS NOT NULL;
CREATE INDEX log_entries_by_source ON log_entries (log, source, status) WHERE source IS NOT NULL;
CREATE INDEX log_entries_by_external ON log_entries (log, external, status) WHERE external IS NOT NULL;
CREATE INDEX log_entries_by_time ON log_entries (log, created_at);
CREATE INDEX log_removals_by_log ON log_removals (log, number);
CREATE INDEX schedules_by_created ON schedules (organization_id, created_at, id);
CREATE INDEX schedules_due ON schedules (next_run_at, id) WHERE next_run_at IS NOT NULL;
CREATE INDEX jobs_open_by_schedule ON jobs (scheduled_job_id, created_at, id)
    WHERE scheduled_job_id IS NOT NULL AND finished_at IS NULL;
COMMIT;
