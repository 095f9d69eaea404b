"""The closed lists of words that requests and replies use.

A member carries its meaning, from which OpenAPI and WSDL take their text.
"""

from enum import StrEnum
from functools import cached_property


class Word(StrEnum):
    """A word of a closed list, written `NAME = "value", "meaning"`."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "Word":
        word = str.__new__(cls, value)
        word._value_ = value
        word.meaning = meaning
        return word


class JobStatus(Word):
    """How far a job is."""

    UNKNOWN = "UNKNOWN", "The engine that runs the job cannot be asked at the moment."
    CREATED = "CREATED", "Accepted, not yet stored. Never seen in a reply."
    PERSISTED = "PERSISTED", "Stored durably; the first entry of the history."
    SCHEDULED = "SCHEDULED", "In the queue of the executor."
    WAITING = "WAITING", "Waits for a dependency, a lock, a point in time or a retry; the message says which."
    RUNNING = "RUNNING", "Its process or container runs."
    FINISHED = "FINISHED", "Ended with exit code 0. Final."
    DIED = "DIED", "Vanished: killed from outside, out of memory, node lost or heartbeat missed. Final."
    CANCELED = "CANCELED", "Canceled by a caller or by a dependency, or its input was invalid. Final."
    FAILED = "FAILED", "Ended with another exit code, ran out of time, or could not be started. Final."


FINAL = frozenset({JobStatus.FINISHED, JobStatus.DIED, JobStatus.CANCELED, JobStatus.FAILED})
"""No job ever leaves one of these."""


class JobStartFeature(Word):
    """Switches of startJob."""

    SKIP_RESULTS_INITIALIZATION = (
        "SKIP_RESULTS_INITIALIZATION",
        "Do not open the result storage when the job starts.",
    )


class JobReadFeature(Word):
    """Switches of listJobs."""

    NUMBER_OF_TOTAL = "NUMBER_OF_TOTAL", "Count all jobs that match and tell the number as total."
    TAGS_CONJUNCTION = "TAGS_CONJUNCTION", "A job must carry every tag given, not just one of them."
    IGNORE_ORGANIZATION_RESTRICTIONS = (
        "IGNORE_ORGANIZATION_RESTRICTIONS",
        "List the jobs of every organization. Needs the role admin.",
    )


class JobTypeFeature(Word):
    """What jobs of a type can do."""

    CANCELLABLE = "CANCELLABLE", "Jobs of the type can be canceled while they run."


class DependencyCondition(Word):
    """What must become of the other job."""

    FINISHED = "FINISHED", "It must end FINISHED. The default."
    ENDED = "ENDED", "It must end, with any final status."


class LockConflictPolicy(Word):
    """What happens when another job has a place in the queue of the lock."""

    REJECT = "REJECT", "The start is refused with LOCK_HELD. The default."
    WAIT = "WAIT", "The job waits until it is first in the queues of all its locks."


class JobEventKind(Word):
    """What an entry of the history tells."""

    STATUS = "STATUS", "The status changed."
    FIELDS = "FIELDS", "Name, description or result data were changed by a caller."
    TAGS = "TAGS", "The tags were replaced."
    CANCEL_REQUESTED = "CANCEL_REQUESTED", "A caller asked for the end of a job that an engine holds."


class CallProtocol(Word):
    """The door through which a change came."""

    REST = "REST", "The REST door."
    SOAP = "SOAP", "The SOAP door."
    ENGINE = "ENGINE", "No door: the gateway itself."


class JobField(Word):
    """The fields of a job that updateJobFields can clear."""

    NAME = "name", "The name."
    DESCRIPTION = "description", "The description."


class ResultStatus(Word):
    """What became of a record."""

    OK = "OK", "The record is right, or was dealt with."
    FAILED = "FAILED", "The record is wrong, or could not be dealt with."


class ResultReadFeature(Word):
    """Switches of the listing of results and log entries."""

    USE_NEXT_START_AFTER = (
        "USE_NEXT_START_AFTER",
        "Page by sealed cursors (nextStartAfter) instead of plain ids.",
    )


class ResultOmitFeature(Word):
    """What the listing of results leaves out."""

    NUMBER_OF_TOTAL = "NUMBER_OF_TOTAL", "Leave out the total."


class LogOmitFeature(Word):
    """What the listing of log entries leaves out."""

    FETCH_RESULT_DATA = "FETCH_RESULT_DATA", "Leave out the result data."
    NUMBER_OF_TOTAL = "NUMBER_OF_TOTAL", "Leave out the total."


class ProcessingLogId(Word):
    """The processing logs that each storage has."""

    CURATION_LOG = "CURATION_LOG", "What data curation did."
    VALIDATION_LOG = "VALIDATION_LOG", "What data validation found."
    VALIDATION_SHARING_LOG = "VALIDATION_SHARING_LOG", "What the validation for data sharing found."
    SANCTION_AND_WATCHLISTS_LOG = (
        "SANCTION_AND_WATCHLISTS_LOG",
        "What the screening against sanction and watch lists found.",
    )
    BANK_ACCOUNT_DATA_VERIFICATION_LOG = (
        "BANK_ACCOUNT_DATA_VERIFICATION_LOG",
        "What the verification of bank accounts found.",
    )
    OVERLAP_LOG = "OVERLAP_LOG", "Which records overlap with those of others."
    DUPLICATE_LOG = "DUPLICATE_LOG", "Which records are duplicates."
    QUALIFICATION_LOG = "QUALIFICATION_LOG", "How records were qualified."


class OverlapPolicy(Word):
    """What a schedule does when a run is due while an earlier one has not ended."""

    SKIP = "SKIP", "Leave the run out. The default."
    ALLOW = "ALLOW", "Start it beside the other."
    CANCEL_PREVIOUS = "CANCEL_PREVIOUS", "Cancel the other; the new run waits until it is final."
    QUEUE_ONE = "QUEUE_ONE", "Let one further run wait for the other; more are left out."


class MisfirePolicy(Word):
    """What a schedule does about due times that passed while no gateway ran."""

    RUN_ONCE = "RUN_ONCE", "One run for all of them. The default."
    SKIP = "SKIP", "No run."
    RUN_ALL = "RUN_ALL", "A run for each of them, up to 100."


class ScheduledJobField(Word):
    """The fields of a scheduled job that updateScheduledJob can clear."""

    NAME = "name", "The name."
    DESCRIPTION = "description", "The description."
    WORKSPACE_ID = "workspaceId", "The workspace."
    CLIENT_ID = "clientId", "The client."
    TIME_ZONE = "timeZone", "The time zone; UTC again."
    START_AT = "startAt", "The first due time."
    END_AT = "endAt", "The last due time."
    PAUSED = "paused", "The pause; not paused again."
    OVERLAP_POLICY = "overlapPolicy", "The overlap policy; SKIP again."
    MISFIRE_POLICY = "misfirePolicy", "The misfire policy; RUN_ONCE again."


class FeatureSupport(Word):
    """What an executor does with a field of a request."""

    ENFORCED = "ENFORCED", "The executor sees to it."
    RECORDED = "RECORDED", "Accepted and kept with the job, not enforced."
    REFUSED = "REFUSED", "startJob fails with UNSUPPORTED_BY_EXECUTOR, naming the field."


class OutputChannel(Word):
    """One of the two streams that a command writes."""

    STDOUT = "STDOUT", "Standard output."
    STDERR = "STDERR", "Standard error."


class Role(Word):
    """What a key may do; each role may do what the ones before it may."""

    READER = "reader", "Reads."
    OPERATOR = "operator", "Starts, changes, cancels and deletes jobs of its organization."
    ADMIN = "admin", "Crosses organizations."

    @cached_property
    def rank(self) -> int:
        """The place in the order above."""
        return list(Role).index(self)

    def covers(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        return self.rank >= other.rank
