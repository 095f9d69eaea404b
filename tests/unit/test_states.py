"""The table of statuses, walked: every allowed row, every refused pair."""

from datetime import UTC, datetime

import pytest

from gateway.domain.states import TRANSITIONS, ForbiddenTransition, change
from gateway.domain.words import FINAL, JobStatus
from tests.builders import a_job

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
S = JobStatus
# Written out once more, so that a slip in the table of the domain is seen.
ROWS = {
    S.CREATED: "PERSISTED",
    S.PERSISTED: "WAITING SCHEDULED CANCELED",
    S.WAITING: "SCHEDULED CANCELED",
    S.SCHEDULED: "RUNNING WAITING UNKNOWN FAILED DIED CANCELED",
    S.RUNNING: "FINISHED FAILED DIED CANCELED UNKNOWN WAITING",
    S.UNKNOWN: "SCHEDULED RUNNING WAITING FINISHED FAILED DIED CANCELED",
    S.FINISHED: "",
    S.FAILED: "",
    S.DIED: "",
    S.CANCELED: "",
}
PAIRS = [(before, after) for before in S for after in S]


@pytest.mark.parametrize(("before", "after"), [p for p in PAIRS if p[1] in ROWS[p[0]].split()])
def test_an_allowed_change_keeps_the_status_before(before: JobStatus, after: JobStatus) -> None:
    job = change(a_job(job_status=before).with_(finished_at=None), after, at=NOW, message="why")
    assert (job.job_status, job.last_job_status, job.message) == (after, before, "why")
    assert job.finished_at == (NOW if after in FINAL else None)


@pytest.mark.parametrize(("before", "after"), [p for p in PAIRS if p[1] not in ROWS[p[0]].split()])
def test_every_other_change_is_refused(before: JobStatus, after: JobStatus) -> None:
    with pytest.raises(ForbiddenTransition, match=f"{before} may not become {after}"):
        change(a_job(job_status=before).with_(finished_at=None), after, at=NOW, message=None)


def test_the_table_has_a_row_for_each_status_and_none_leads_back_to_created() -> None:
    assert set(TRANSITIONS) == set(S)
    assert not any(S.CREATED in row for row in TRANSITIONS.values())
    assert {status for status, row in TRANSITIONS.items() if not row} == FINAL
