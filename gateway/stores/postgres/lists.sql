-- The parts that the query of a page is put together from (postgres_lists.py). A page reads one source for each
-- pair of an organization and a value, which are `o.organization` and `o.value`: a stretch of one index in the
-- order of lists, up to the length of the page. Its other filters are checked row by row.
--
-- `j` names the job and `k` another table that knows its place; {job} is where the table of jobs is joined to
-- that one, when it is needed. {at} and {id} stand for the columns of the place.

-- name: page
-- The first jobs of all stretches. A job that lies in two of them, or twice in one, is shown once.
SELECT j.id, j.organization_id, j.version, j.document
FROM (
    SELECT {distinct} x.at, x.id
    FROM unnest(CAST(:organizations AS text[]), CAST(:values AS text[])) AS o (organization, value)
    CROSS JOIN LATERAL (
        SELECT {distinct} {at} AS at, {id} AS id
        {source}
        ORDER BY {at} {direction}, {id} {direction}
        LIMIT :limit
    ) AS x
    ORDER BY x.at {direction}, x.id {direction}
    LIMIT :limit
) AS page JOIN jobs AS j ON j.id = page.id
ORDER BY page.at {direction}, page.id {direction};

-- name: bounded_page
-- Of a page as many jobs as are needed for :enough_bytes of documents, and one more.
SELECT id, organization_id, version, document
FROM (
    SELECT *, sum(octet_length(document)) OVER (
        ORDER BY created_at {direction}, id {direction} ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING
    ) AS bytes_before, row_number() OVER (ORDER BY created_at {direction}, id {direction}) AS place
    FROM ({page}) AS shown (id, organization_id, version, document, created_at)
) AS counted
WHERE place = 1 OR coalesce(bytes_before, 0) < :enough_bytes
ORDER BY place;

-- name: count
-- How many jobs lie in the stretches.
SELECT count(*)
FROM (
    SELECT {distinct} x.id
    FROM unnest(CAST(:organizations AS text[]), CAST(:values AS text[])) AS o (organization, value)
    CROSS JOIN LATERAL (SELECT {id} AS id {source}) AS x
) AS found;

-- name: count_few
-- How many entries the stretches have, counted up to :few.
SELECT count(*)
FROM (
    SELECT 1
    FROM unnest(CAST(:organizations AS text[]), CAST(:values AS text[])) AS o (organization, value)
    CROSS JOIN LATERAL (SELECT 1 {source} LIMIT :few) AS x
    LIMIT :few
) AS found;

-- name: bounds
-- The stretch of the order of lists that is read; both ends lie outside.
({at}, {id}) > (:low_at, :low_id) AND ({at}, {id}) < (:high_at, :high_id);

-- name: source_all
-- All jobs of all organizations.
FROM jobs AS j WHERE TRUE;

-- name: source_organization
-- All jobs of an organization.
FROM jobs AS j WHERE j.organization_id = o.organization;

-- name: source_user
-- The jobs of a user.
FROM jobs AS j WHERE j.organization_id = o.organization AND j."user" = o.value;

-- name: source_storage
-- The jobs that write to a storage.
FROM jobs AS j WHERE j.organization_id = o.organization AND j.storage_id = o.value;

-- name: source_type
-- The jobs of a type.
FROM jobs AS j WHERE j.organization_id = o.organization AND j.type = o.value;

-- name: source_type_anywhere
-- The jobs of a type in all organizations.
FROM jobs AS j WHERE j.type = o.value;

-- name: source_status
-- The jobs in a status.
FROM jobs AS j WHERE j.organization_id = o.organization AND j.status = o.value;

-- name: source_status_anywhere
-- The jobs in a status in all organizations.
FROM jobs AS j WHERE j.status = o.value;

-- name: source_schedule
-- The runs of a schedule. A schedule belongs to one organization.
FROM jobs AS j WHERE j.scheduled_job_id = o.value;

-- name: source_dependent
-- The jobs that depend on a job. They belong to that job's organization.
FROM job_dependencies AS k {job} WHERE k.on_job_id = o.value;

-- name: source_tag
-- The jobs with a tag.
FROM job_tags AS k {job} WHERE k.organization_id = o.organization AND k.tag = o.value;

-- name: source_label
-- The jobs with a label, written name=value.
FROM job_labels AS k {job} WHERE k.organization_id = o.organization AND k.label = o.value;

-- name: source_word
-- The jobs with a word.
FROM job_words AS k {job} WHERE k.organization_id = o.organization AND k.word = o.value;

-- name: source_words
-- The jobs with a word that begins so; not in the order of lists, so for few entries only.
FROM job_words AS k {job}
WHERE k.organization_id = o.organization AND k.word >= o.value AND k.word < o.value || U&'\+10FFFF';

-- name: where_organization
-- Of the organization.
j.organization_id = :organization;

-- name: where_user
-- Of the user.
j."user" = :user;

-- name: where_storage
-- Writes to the storage.
j.storage_id = :storage;

-- name: where_type
-- Of one of the types, an array.
j.type = ANY (:type);

-- name: where_status
-- In one of the statuses, an array.
j.status = ANY (:status);

-- name: where_schedule
-- A run of the schedule.
j.scheduled_job_id = :schedule;

-- name: where_dependent
-- Depends on the job.
(SELECT count(*) FROM job_dependencies AS d WHERE d.job_id = j.id AND d.on_job_id = :dependent) > 0;

-- name: where_any_tag
-- Carries one of the tags, an array. Counted, because EXISTS would become a join, which may read all of a tag.
(
    SELECT count(*) FROM job_tags AS t
    WHERE t.organization_id = {owner}.organization_id AND t.tag = ANY (:tags)
    AND t.created_at = {at} AND t.job_id = {id}
) > 0;

-- name: where_all_tags
-- Carries every tag of an array, which holds each once.
(
    SELECT count(*) FROM job_tags AS t
    WHERE t.organization_id = {owner}.organization_id AND t.tag = ANY (:tags)
    AND t.created_at = {at} AND t.job_id = {id}
) = cardinality(:tags);

-- name: where_labels
-- Has every label of an array, which holds each once.
(
    SELECT count(*) FROM job_labels AS l
    WHERE l.organization_id = {owner}.organization_id AND l.label = ANY (:labels)
    AND l.created_at = {at} AND l.job_id = {id}
) = cardinality(:labels);

-- name: where_word
-- Has a word that begins like :{value}.
strpos(j.words, ' ' || :{value}) > 0;

-- name: organizations
-- All organizations that have a job, at most :limit. Jumps from one to the next instead of reading all jobs.
WITH RECURSIVE organization (id) AS (
    SELECT min(organization_id) FROM jobs
    UNION ALL
    SELECT (SELECT min(j.organization_id) FROM jobs AS j WHERE j.organization_id > organization.id)
    FROM organization
    WHERE organization.id IS NOT NULL
)
SELECT id FROM organization WHERE id IS NOT NULL LIMIT :limit;

-- name: words_from
-- The words of an organization that begin so, at most :limit. Jumps from one to the next.
WITH RECURSIVE found (word) AS (
    SELECT min(word) FROM job_words
    WHERE organization_id = :organization AND word >= :beginning AND word < :beginning || U&'\+10FFFF'
    UNION ALL
    SELECT (
        SELECT min(w.word) FROM job_words AS w
        WHERE w.organization_id = :organization AND w.word > found.word AND w.word < :beginning || U&'\+10FFFF'
    )
    FROM found
    WHERE found.word IS NOT NULL
)
SELECT word FROM found WHERE word IS NOT NULL LIMIT :limit;

-- name: jobs_near
-- How many of the first :probed jobs of a stretch have a word that begins like :beginning, counted up to :limit.
SELECT count(*)
FROM (
    SELECT 1
    FROM unnest(CAST(:organizations AS text[]), CAST(:values AS text[])) AS o (organization, value)
    CROSS JOIN LATERAL (
        SELECT j.words {source} ORDER BY j.created_at {direction}, j.id {direction} LIMIT :probed
    ) AS x
    WHERE strpos(x.words, ' ' || :beginning) > 0
    LIMIT :limit
) AS found;
