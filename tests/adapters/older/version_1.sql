PRAGMA application_id = 1248813683;
PRAGMA user_version = 1;
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
INSERT INTO "api_keys" VALUES('old','ann','admin','default','0000000000000000000000000000000000000000000000000000000000000000',1795694092217,NULL,NULL,1795694096671);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    detail TEXT NOT NULL
);
INSERT INTO "audit" VALUES(1,1795694092217,'local:root','key.created','ac00aeb245db','default','ann (admin)');
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
INSERT INTO "job_dependencies" VALUES('01a217b5-71d8-7000-9242-884c38d289ca','01a217b5-71ca-7000-b805-6c0e94fbd100',0,'FINISHED',1,1795694096856);
CREATE TABLE job_events (
    number INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    id INTEGER NOT NULL CHECK (id >= 1),
    document TEXT NOT NULL,
    PRIMARY KEY (number, id)
) WITHOUT ROWID;
INSERT INTO "job_events" VALUES(1,1,'{"id":"1","jobId":"01a217b5-7122-7000-ad83-3fdab5b66fab","at":"2026-11-26T11:54:56.674Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"14f73a07a1f038f9fc7f6d072910e0b9"}');
INSERT INTO "job_events" VALUES(1,2,'{"id":"2","jobId":"01a217b5-7122-7000-ad83-3fdab5b66fab","at":"2026-11-26T11:54:56.674Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"SCHEDULED","actor":"ann","protocol":"REST","requestId":"14f73a07a1f038f9fc7f6d072910e0b9"}');
INSERT INTO "job_events" VALUES(1,3,'{"id":"3","jobId":"01a217b5-7122-7000-ad83-3fdab5b66fab","at":"2026-11-26T11:54:56.707Z","kind":"STATUS","fromStatus":"SCHEDULED","toStatus":"RUNNING","attempt":1,"actor":"gateway","protocol":"ENGINE"}');
INSERT INTO "job_events" VALUES(1,4,'{"id":"4","jobId":"01a217b5-7122-7000-ad83-3fdab5b66fab","at":"2026-11-26T11:54:56.740Z","kind":"STATUS","fromStatus":"RUNNING","toStatus":"FINISHED","attempt":1,"exitCode":0,"actor":"gateway","protocol":"ENGINE"}');
INSERT INTO "job_events" VALUES(1,5,'{"id":"5","jobId":"01a217b5-7122-7000-ad83-3fdab5b66fab","at":"2026-11-26T11:54:56.761Z","kind":"FIELDS","attempt":1,"actor":"ann","protocol":"REST","requestId":"7f3626c4ab1c428de6cab1df5cab21f4","message":"changed: resultData"}');
INSERT INTO "job_events" VALUES(2,1,'{"id":"1","jobId":"01a217b5-7187-7000-89ae-d0583eb46e43","at":"2026-11-26T11:54:56.775Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"52fa1a75e09e46523f0a8a4e48f768db"}');
INSERT INTO "job_events" VALUES(2,2,'{"id":"2","jobId":"01a217b5-7187-7000-89ae-d0583eb46e43","at":"2026-11-26T11:54:56.775Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"SCHEDULED","actor":"ann","protocol":"REST","requestId":"52fa1a75e09e46523f0a8a4e48f768db"}');
INSERT INTO "job_events" VALUES(2,3,'{"id":"3","jobId":"01a217b5-7187-7000-89ae-d0583eb46e43","at":"2026-11-26T11:54:56.803Z","kind":"STATUS","fromStatus":"SCHEDULED","toStatus":"RUNNING","attempt":1,"actor":"gateway","protocol":"ENGINE"}');
INSERT INTO "job_events" VALUES(2,4,'{"id":"4","jobId":"01a217b5-7187-7000-89ae-d0583eb46e43","at":"2026-11-26T11:54:56.832Z","kind":"STATUS","fromStatus":"RUNNING","toStatus":"FAILED","attempt":1,"exitCode":1,"actor":"gateway","protocol":"ENGINE","message":"ended with exit code 1"}');
INSERT INTO "job_events" VALUES(3,1,'{"id":"1","jobId":"01a217b5-71ca-7000-b805-6c0e94fbd100","at":"2026-11-26T11:54:56.842Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"ed938162d7c3d95315c6d46763bbc16b"}');
INSERT INTO "job_events" VALUES(3,2,'{"id":"2","jobId":"01a217b5-71ca-7000-b805-6c0e94fbd100","at":"2026-11-26T11:54:56.842Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"WAITING","actor":"ann","protocol":"REST","requestId":"ed938162d7c3d95315c6d46763bbc16b","message":"waits until 2999-01-01T00:00:00.000Z (notBefore)"}');
INSERT INTO "job_events" VALUES(4,1,'{"id":"1","jobId":"01a217b5-71d8-7000-9242-884c38d289ca","at":"2026-11-26T11:54:56.856Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"31a65ce955b13ab31dc25f7102083747"}');
INSERT INTO "job_events" VALUES(4,2,'{"id":"2","jobId":"01a217b5-71d8-7000-9242-884c38d289ca","at":"2026-11-26T11:54:56.856Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"WAITING","actor":"ann","protocol":"REST","requestId":"31a65ce955b13ab31dc25f7102083747","message":"waits for job 01a217b5-71ca-7000-b805-6c0e94fbd100 to end"}');
INSERT INTO "job_events" VALUES(5,1,'{"id":"1","jobId":"01a217b5-71df-7000-aa03-0653ca2d37e2","at":"2026-11-26T11:54:56.863Z","kind":"STATUS","toStatus":"PERSISTED","actor":"ann","protocol":"REST","requestId":"f9ed8e3ddd8a059f8b6f6fc678fa4d95"}');
INSERT INTO "job_events" VALUES(5,2,'{"id":"2","jobId":"01a217b5-71df-7000-aa03-0653ca2d37e2","at":"2026-11-26T11:54:56.863Z","kind":"STATUS","fromStatus":"PERSISTED","toStatus":"WAITING","actor":"ann","protocol":"REST","requestId":"f9ed8e3ddd8a059f8b6f6fc678fa4d95","message":"waits until 2999-01-01T00:00:00.000Z (notBefore)"}');
INSERT INTO "job_events" VALUES(5,3,'{"id":"3","jobId":"01a217b5-71df-7000-aa03-0653ca2d37e2","at":"2026-11-26T11:54:56.875Z","kind":"STATUS","fromStatus":"WAITING","toStatus":"CANCELED","actor":"ann","protocol":"REST","requestId":"e16311808d24cdd2a1c61cfc3b0dee3b","message":"canceled by ann: no"}');
CREATE TABLE job_labels (
    organization_id TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, label, created_at, job_id)
) WITHOUT ROWID;
INSERT INTO "job_labels" VALUES('default','l=v',1795694096674,'01a217b5-7122-7000-ad83-3fdab5b66fab');
CREATE TABLE job_requests (
    number INTEGER PRIMARY KEY REFERENCES jobs (number) ON DELETE CASCADE,
    document TEXT NOT NULL
);
INSERT INTO "job_requests" VALUES(1,'{"name":"full ä€😀","description":"every field\r\n<&>","type":"DATA_CURATION_JOB","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[{"name":"A","value":" x "},{"name":"B"}],"inputUri":"s3://i","resultStorageId":"s","featuresOn":[],"domain":"d","workspaceId":"w","jobDependencies":[],"labels":[{"name":"l","value":"v"}],"tags":["b","a"],"locks":[{"name":"k"}],"volumes":[],"attachments":[{"name":"f","contentType":"text/plain","uri":"https://example.org/f"}],"resourceRequest":{"memoryLimit":512,"cpuLimit":0.5},"mainLabel":"l","expiresAt":"2999-01-01T00:00:00.000Z","clientId":"c","priority":0,"timeoutSeconds":77,"heartbeatTimeoutSeconds":99,"cancelGraceSeconds":3,"retryPolicy":{"maxAttempts":2,"backoffSeconds":0,"backoffFactor":1.5,"retryExitCodes":[75]}}');
INSERT INTO "job_requests" VALUES(2,'{"name":"failed","dockerImageUrl":"image:1","commands":["false"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[],"volumes":[],"attachments":[]}');
INSERT INTO "job_requests" VALUES(3,'{"name":"waiting","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[{"name":"w"}],"volumes":[],"attachments":[],"notBefore":"2999-01-01T00:00:00.000Z"}');
INSERT INTO "job_requests" VALUES(4,'{"name":"dependent","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[{"jobId":"01a217b5-71ca-7000-b805-6c0e94fbd100"}],"labels":[],"tags":[],"locks":[{"name":"w","onConflict":"WAIT"}],"volumes":[],"attachments":[]}');
INSERT INTO "job_requests" VALUES(5,'{"name":"canceled","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"featuresOn":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[],"volumes":[],"attachments":[],"notBefore":"2999-01-01T00:00:00.000Z"}');
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
INSERT INTO "job_tags" VALUES('default','a',1795694096674,'01a217b5-7122-7000-ad83-3fdab5b66fab');
INSERT INTO "job_tags" VALUES('default','b',1795694096674,'01a217b5-7122-7000-ad83-3fdab5b66fab');
CREATE TABLE job_words (
    organization_id TEXT NOT NULL,
    word TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    PRIMARY KEY (organization_id, word, created_at, job_id)
) WITHOUT ROWID;
INSERT INTO "job_words" VALUES('default','canceled',1795694096863,'01a217b5-71df-7000-aa03-0653ca2d37e2');
INSERT INTO "job_words" VALUES('default','dependent',1795694096856,'01a217b5-71d8-7000-9242-884c38d289ca');
INSERT INTO "job_words" VALUES('default','every',1795694096674,'01a217b5-7122-7000-ad83-3fdab5b66fab');
INSERT INTO "job_words" VALUES('default','failed',1795694096775,'01a217b5-7187-7000-89ae-d0583eb46e43');
INSERT INTO "job_words" VALUES('default','field',1795694096674,'01a217b5-7122-7000-ad83-3fdab5b66fab');
INSERT INTO "job_words" VALUES('default','full',1795694096674,'01a217b5-7122-7000-ad83-3fdab5b66fab');
INSERT INTO "job_words" VALUES('default','waiting',1795694096842,'01a217b5-71ca-7000-b805-6c0e94fbd100');
INSERT INTO "job_words" VALUES('default','ä',1795694096674,'01a217b5-7122-7000-ad83-3fdab5b66fab');
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
INSERT INTO "jobs" VALUES(1,'01a217b5-7122-7000-ad83-3fdab5b66fab','default','ann','s','DATA_CURATION_JOB',NULL,1795694096674,0,'FINISHED',6,1795694096740,32472144000000,5,NULL,0,NULL,NULL,NULL,NULL,' full ä every field','{"id":"01a217b5-7122-7000-ad83-3fdab5b66fab","name":"full ä€😀","description":"every field\r\n<&>","type":"DATA_CURATION_JOB","jobStatus":"FINISHED","lastJobStatus":"RUNNING","createdAt":"2026-11-26T11:54:56.674Z","modifiedAt":"2026-11-26T11:54:56.761Z","startedAt":"2026-11-26T11:54:56.707Z","finishedAt":"2026-11-26T11:54:56.740Z","expiresAt":"2999-01-01T00:00:00.000Z","user":"ann","organizationId":"default","workspaceId":"w","storageId":"s","domain":"d","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[{"name":"A","value":" x "},{"name":"B"}],"inputUri":"s3://i","resultData":"{\"a\":1}","jobDependencies":[],"labels":[{"name":"l","value":"v"}],"tags":["b","a"],"locks":[{"name":"k","onConflict":"REJECT"}],"metrics":[{"name":"m","value":0.000000001,"unit":"u","recordedAt":"2026-11-26T11:54:56.756Z"}],"attachments":[{"id":"link-1","name":"f","contentType":"text/plain","uri":"https://example.org/f","createdAt":"2026-11-26T11:54:56.674Z"}],"volumes":[],"resourceRequest":{"memoryLimit":512,"xmxLimit":312,"cpuLimit":0.5},"mainLabel":"l","priority":0,"attempt":1,"exitCode":0,"timeoutSeconds":77,"heartbeatTimeoutSeconds":99,"cancelGraceSeconds":3,"retryPolicy":{"maxAttempts":2,"backoffSeconds":0,"backoffFactor":1.5,"maxBackoffSeconds":3600,"retryExitCodes":[75]},"clientId":"c","modifiedBy":"ann","version":6}');
INSERT INTO "jobs" VALUES(2,'01a217b5-7187-7000-89ae-d0583eb46e43','default','ann',NULL,NULL,NULL,1795694096775,5,'FAILED',4,1795694096832,NULL,4,NULL,0,NULL,NULL,NULL,NULL,' failed','{"id":"01a217b5-7187-7000-89ae-d0583eb46e43","name":"failed","jobStatus":"FAILED","lastJobStatus":"RUNNING","message":"ended with exit code 1","createdAt":"2026-11-26T11:54:56.775Z","modifiedAt":"2026-11-26T11:54:56.832Z","startedAt":"2026-11-26T11:54:56.803Z","finishedAt":"2026-11-26T11:54:56.832Z","user":"ann","organizationId":"default","dockerImageUrl":"image:1","commands":["false"],"environmentVariables":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[],"metrics":[],"attachments":[],"volumes":[],"priority":5,"attempt":1,"exitCode":1,"cancelGraceSeconds":30,"retryPolicy":{"maxAttempts":1,"backoffSeconds":10,"backoffFactor":2,"maxBackoffSeconds":3600,"retryExitCodes":[]},"modifiedBy":"gateway","version":4}');
INSERT INTO "jobs" VALUES(3,'01a217b5-71ca-7000-b805-6c0e94fbd100','default','ann',NULL,NULL,NULL,1795694096842,5,'WAITING',1,NULL,NULL,2,32472144000000,0,NULL,NULL,NULL,NULL,' waiting','{"id":"01a217b5-71ca-7000-b805-6c0e94fbd100","name":"waiting","jobStatus":"WAITING","lastJobStatus":"PERSISTED","message":"waits until 2999-01-01T00:00:00.000Z (notBefore)","createdAt":"2026-11-26T11:54:56.842Z","modifiedAt":"2026-11-26T11:54:56.842Z","user":"ann","organizationId":"default","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[{"name":"w","onConflict":"REJECT"}],"metrics":[],"attachments":[],"volumes":[],"priority":5,"attempt":0,"notBefore":"2999-01-01T00:00:00.000Z","cancelGraceSeconds":30,"retryPolicy":{"maxAttempts":1,"backoffSeconds":10,"backoffFactor":2,"maxBackoffSeconds":3600,"retryExitCodes":[]},"modifiedBy":"ann","version":1}');
INSERT INTO "jobs" VALUES(4,'01a217b5-71d8-7000-9242-884c38d289ca','default','ann',NULL,NULL,NULL,1795694096856,5,'WAITING',1,NULL,NULL,2,NULL,0,NULL,NULL,NULL,NULL,' dependent','{"id":"01a217b5-71d8-7000-9242-884c38d289ca","name":"dependent","jobStatus":"WAITING","lastJobStatus":"PERSISTED","message":"waits for job 01a217b5-71ca-7000-b805-6c0e94fbd100 to end","createdAt":"2026-11-26T11:54:56.856Z","modifiedAt":"2026-11-26T11:54:56.856Z","user":"ann","organizationId":"default","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"jobDependencies":[{"jobId":"01a217b5-71ca-7000-b805-6c0e94fbd100","condition":"FINISHED"}],"labels":[],"tags":[],"locks":[{"name":"w","onConflict":"WAIT"}],"metrics":[],"attachments":[],"volumes":[],"priority":5,"attempt":0,"cancelGraceSeconds":30,"retryPolicy":{"maxAttempts":1,"backoffSeconds":10,"backoffFactor":2,"maxBackoffSeconds":3600,"retryExitCodes":[]},"modifiedBy":"ann","version":1}');
INSERT INTO "jobs" VALUES(5,'01a217b5-71df-7000-aa03-0653ca2d37e2','default','ann',NULL,NULL,NULL,1795694096863,5,'CANCELED',2,1795694096875,NULL,3,NULL,0,NULL,NULL,NULL,NULL,' canceled','{"id":"01a217b5-71df-7000-aa03-0653ca2d37e2","name":"canceled","jobStatus":"CANCELED","lastJobStatus":"WAITING","message":"canceled by ann: no","createdAt":"2026-11-26T11:54:56.863Z","modifiedAt":"2026-11-26T11:54:56.875Z","finishedAt":"2026-11-26T11:54:56.875Z","user":"ann","organizationId":"default","dockerImageUrl":"image:1","commands":["true"],"environmentVariables":[],"jobDependencies":[],"labels":[],"tags":[],"locks":[],"metrics":[],"attachments":[],"volumes":[],"priority":5,"attempt":0,"notBefore":"2999-01-01T00:00:00.000Z","cancelGraceSeconds":30,"retryPolicy":{"maxAttempts":1,"backoffSeconds":10,"backoffFactor":2,"maxBackoffSeconds":3600,"retryExitCodes":[]},"modifiedBy":"ann","cancelRequestedAt":"2026-11-26T11:54:56.875Z","cancelRequestedBy":"ann","cancelReason":"no","version":2}');
CREATE TABLE lock_places (
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    place INTEGER NOT NULL CHECK (place >= 1),
    job_id TEXT NOT NULL REFERENCES jobs (id),
    holds INTEGER NOT NULL CHECK (holds IN (0, 1)),
    PRIMARY KEY (organization_id, name, place)
) WITHOUT ROWID;
INSERT INTO "lock_places" VALUES('default','w',1,'01a217b5-71ca-7000-b805-6c0e94fbd100',1);
INSERT INTO "lock_places" VALUES('default','w',2,'01a217b5-71d8-7000-9242-884c38d289ca',0);
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "settings" VALUES('sealing_key',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
CREATE TABLE storages (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) WITHOUT ROWID;
INSERT INTO "storages" VALUES('default','s',1795694096674);
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
COMMIT;
