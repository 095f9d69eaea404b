-- The parts that the query of a page is put together from (sqlite_lists.py). A page reads one or more ranges,
-- each of them a stretch of one index in the order of lists, and checks its other filters row by row.
--
-- Every range has the bounds :low_at, :low_id and :high_at, :high_id, both outside. Where a range is read for
-- several values, {value} and {organization} stand for the names of the parameters that hold them. {job} is
-- where the table of jobs is joined to another table's range, when they are needed. `j` names the job and `k`
-- the other table; {owner}, {at} and {id} stand for whichever of them tells a job's place.

-- name: range_all
-- All jobs of all organizations.
FROM jobs AS j INDEXED BY jobs_by_created
WHERE (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_organization
-- All jobs of an organization.
FROM jobs AS j INDEXED BY jobs_by_organization
WHERE j.organization_id = :{organization}
AND (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_user
-- The jobs of a user.
FROM jobs AS j INDEXED BY jobs_by_user
WHERE j.organization_id = :{organization} AND j.user = :{value}
AND (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_storage
-- The jobs that write to a storage.
FROM jobs AS j INDEXED BY jobs_by_storage
WHERE j.organization_id = :{organization} AND j.storage_id = :{value}
AND (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_type
-- The jobs of a type.
FROM jobs AS j INDEXED BY jobs_by_type
WHERE j.organization_id = :{organization} AND j.type = :{value}
AND (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_type_anywhere
-- The jobs of a type in all organizations.
FROM jobs AS j INDEXED BY jobs_by_type_anywhere
WHERE j.type = :{value}
AND (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_status
-- The jobs in a status.
FROM jobs AS j INDEXED BY jobs_by_status
WHERE j.organization_id = :{organization} AND j.status = :{value}
AND (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_status_anywhere
-- The jobs in a status in all organizations.
FROM jobs AS j INDEXED BY jobs_by_status_anywhere
WHERE j.status = :{value}
AND (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_schedule
-- The runs of a schedule. A schedule belongs to one organization.
FROM jobs AS j INDEXED BY jobs_by_schedule
WHERE j.scheduled_job_id = :{value}
AND (j.created_at, j.id) > (:low_at, :low_id) AND (j.created_at, j.id) < (:high_at, :high_id);

-- name: range_dependent
-- The jobs that depend on a job. They belong to that job's organization.
FROM job_dependencies AS k INDEXED BY job_dependents {job}
WHERE k.on_job_id = :{value}
AND (k.created_at, k.job_id) > (:low_at, :low_id) AND (k.created_at, k.job_id) < (:high_at, :high_id);

-- name: range_tag
-- The jobs with a tag.
FROM job_tags AS k {job}
WHERE k.organization_id = :{organization} AND k.tag = :{value}
AND (k.created_at, k.job_id) > (:low_at, :low_id) AND (k.created_at, k.job_id) < (:high_at, :high_id);

-- name: range_label
-- The jobs with a label, written name=value.
FROM job_labels AS k {job}
WHERE k.organization_id = :{organization} AND k.label = :{value}
AND (k.created_at, k.job_id) > (:low_at, :low_id) AND (k.created_at, k.job_id) < (:high_at, :high_id);

-- name: range_word
-- The jobs with a word.
FROM job_words AS k {job}
WHERE k.organization_id = :{organization} AND k.word = :{value}
AND (k.created_at, k.job_id) > (:low_at, :low_id) AND (k.created_at, k.job_id) < (:high_at, :high_id);

-- name: where_organization
-- Of the organization.
j.organization_id = :organization;

-- name: where_user
-- Of the user.
j.user = :user;

-- name: where_storage
-- Writes to the storage.
j.storage_id = :storage;

-- name: where_type
-- Of one of the types, a JSON array.
j.type IN (SELECT value FROM json_each(:type));

-- name: where_status
-- In one of the statuses, a JSON array.
j.status IN (SELECT value FROM json_each(:status));

-- name: where_schedule
-- A run of the schedule.
j.scheduled_job_id = :schedule;

-- name: where_dependent
-- Depends on the job.
EXISTS (SELECT 1 FROM job_dependencies AS d WHERE d.job_id = j.id AND d.on_job_id = :dependent);

-- name: where_any_tag
-- Carries one of the tags, a JSON array.
EXISTS (
    SELECT 1 FROM job_tags AS t
    WHERE t.organization_id = {owner}.organization_id AND t.tag IN (SELECT value FROM json_each(:tags))
    AND t.created_at = {at} AND t.job_id = {id}
);

-- name: where_all_tags
-- Carries every tag of a JSON array, which holds each once.
(
    SELECT count(*) FROM job_tags AS t
    WHERE t.organization_id = {owner}.organization_id AND t.tag IN (SELECT value FROM json_each(:tags))
    AND t.created_at = {at} AND t.job_id = {id}
) = json_array_length(:tags);

-- name: where_labels
-- Has every label of a JSON array, which holds each once.
(
    SELECT count(*) FROM job_labels AS l
    WHERE l.organization_id = {owner}.organization_id AND l.label IN (SELECT value FROM json_each(:labels))
    AND l.created_at = {at} AND l.job_id = {id}
) = json_array_length(:labels);

-- name: where_word
-- Has a word that begins like {value}.
instr(j.words, ' ' || :{value}) > 0;

-- name: organizations
-- All organizations that have a job, at most :limit. Jumps from one to the next instead of reading all jobs.
WITH RECURSIVE organization (id) AS (
    SELECT min(organization_id) FROM jobs INDEXED BY jobs_by_organization
    UNION ALL
    SELECT (
        SELECT min(j.organization_id) FROM jobs AS j INDEXED BY jobs_by_organization
        WHERE j.organization_id > organization.id
    )
    FROM organization
    WHERE organization.id IS NOT NULL
)
SELECT id FROM organization WHERE id IS NOT NULL LIMIT :limit;

-- name: words_from
-- The words of an organization from :low up to :high, at most :limit. Jumps from one to the next.
WITH RECURSIVE found (word) AS (
    SELECT min(word) FROM job_words
    WHERE organization_id = :organization AND word >= :low AND word < :high
    UNION ALL
    SELECT (
        SELECT min(w.word) FROM job_words AS w
        WHERE w.organization_id = :organization AND w.word > found.word AND w.word < :high
    )
    FROM found
    WHERE found.word IS NOT NULL
)
SELECT word FROM found WHERE word IS NOT NULL LIMIT :limit;

-- name: entries_from
-- How many entries words of an organization from :low up to :high have, counted up to :limit.
SELECT count(*) FROM (
    SELECT 1 FROM job_words WHERE organization_id = :organization AND word >= :low AND word < :high LIMIT :limit
);

-- name: range_words
-- The jobs with a word from :{value} up to :{value}_end; not in the order of lists, so for few entries only.
FROM job_words AS k {job}
WHERE k.organization_id = :{organization} AND k.word >= :{value} AND k.word < :{value}_end
AND (k.created_at, k.job_id) > (:low_at, :low_id) AND (k.created_at, k.job_id) < (:high_at, :high_id);

-- name: range_merged
-- The jobs with one of :words, a JSON array of organizations and words, in the order of lists: the queue holds
-- the next entry of each word, and what is taken from it is followed by the one behind. A job comes once for
-- each of its words.
FROM (
    WITH RECURSIVE merged (organization_id, word, created_at, job_id) AS (
        SELECT k.organization_id, k.word, k.created_at, k.job_id
        FROM json_each(:words) AS given CROSS JOIN job_words AS k
        WHERE k.organization_id = json_extract(given.value, '$[0]') AND k.word = json_extract(given.value, '$[1]')
        AND (k.created_at, k.job_id) = (
            SELECT w.created_at, w.job_id FROM job_words AS w
            WHERE w.organization_id = json_extract(given.value, '$[0]') AND w.word = json_extract(given.value, '$[1]')
            AND (w.created_at, w.job_id) > (:low_at, :low_id) AND (w.created_at, w.job_id) < (:high_at, :high_id)
            ORDER BY w.created_at {direction}, w.job_id {direction}
            LIMIT 1
        )
        UNION ALL
        SELECT k.organization_id, k.word, k.created_at, k.job_id
        FROM merged AS m CROSS JOIN job_words AS k
        WHERE k.organization_id = m.organization_id AND k.word = m.word
        AND (k.created_at, k.job_id) = (
            SELECT w.created_at, w.job_id FROM job_words AS w
            WHERE w.organization_id = m.organization_id AND w.word = m.word
            AND (w.created_at, w.job_id) {beyond} (m.created_at, m.job_id)
            AND (w.created_at, w.job_id) > (:low_at, :low_id) AND (w.created_at, w.job_id) < (:high_at, :high_id)
            ORDER BY w.created_at {direction}, w.job_id {direction}
            LIMIT 1
        )
        ORDER BY 3 {direction}, 4 {direction}
    )
    SELECT organization_id, created_at, job_id FROM merged
) AS k {job}
WHERE TRUE;

-- name: jobs_near
-- How many of the first :probed jobs of a range have a word that begins like :word, counted up to :limit.
SELECT count(*) FROM (
    SELECT 1
    FROM (SELECT j.words AS words {range} ORDER BY j.created_at {direction}, j.id {direction} LIMIT :probed)
    WHERE instr(words, ' ' || :word) > 0
    LIMIT :limit
);
