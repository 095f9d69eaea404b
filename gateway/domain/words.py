"""The closed lists of words that requests and replies use.

A member carries its meaning, from which OpenAPI and WSDL take their text.
"""

from enum import StrEnum


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

    def covers(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)
