"""One job with every member of JobStart set, to values that are hard to carry.

{"$instant": …} stands for an instant, which a stack may have a type of its own for.
"""

from typing import Any

from gateway.domain.schedules import NEVER_IN_TEMPLATE

NAME = ' ä€😀 & <b> "\'" ]]> '
LINES = "one\r\ntwo\n\tthree & <four> ä€😀 "
_TELL = 'printf "%s|" "$@" "$LINES" "$SECRET"'

SECRET = "½ & <secret>"
OUTPUT = f"{NAME}|{LINES}||]]>|{LINES}|{SECRET}|"
"""What the job writes: its arguments and variables, as they reached its process."""


def full_job(*, other_job: str, storage: str, lock: str) -> dict[str, Any]:
    """The request. `other_job` must have ended; nobody may hold `lock`."""
    return {
        "name": NAME,
        "description": LINES,
        "type": "GENERIC_JOB",
        "dockerImageUrl": "registry.example.org/ä & <b>:1",
        "commands": ["sh", "-c", _TELL, "sh", NAME, LINES, "", "]]>"],
        "environmentVariables": [
            {"name": "LINES", "value": LINES, "secret": False},
            {"name": "SECRET", "value": SECRET, "secret": True},
        ],
        "inputUri": "https://files.example.org/ä?a=1&b=2#<3>",
        "resultStorageId": storage,
        "featuresOn": ["SKIP_RESULTS_INITIALIZATION"],
        "domain": "Kunden & Lieferanten",
        "organizationId": "default",
        "workspaceId": "Workspace.1:a_b-c",
        "jobDependencies": [{"jobId": other_job, "condition": "ENDED"}],
        "labels": [{"name": "team ä", "value": "a & b"}, {"name": "empty", "value": ""}],
        "tags": ["b & <c>", "a", "ä€😀"],
        "locks": [{"name": lock, "onConflict": "WAIT"}],
        "volumes": [{"name": "v", "mountPath": "/data", "source": "reference", "readOnly": False}],
        "attachments": [
            {"name": "ä & b.json", "contentType": "application/json", "uri": "s3://bucket/ä?a=1&b=2"}
        ],
        "resourceRequest": {
            "memoryLimit": 512,
            "memoryRequest": 256,
            "xmxLimit": 100,
            "cpuLimit": 1.5,
            "cpuRequest": 0.123456789,
        },
        "mainLabel": "main & label",
        "expiresAt": {"$instant": "2097-12-31T23:59:59.999-05:30"},
        "clientId": "crm",
        "priority": 0,
        "notBefore": {"$instant": "2020-08-31T16:47:01.123+02:00"},
        "timeoutSeconds": 600,
        "heartbeatTimeoutSeconds": 600,
        "cancelGraceSeconds": 0,
        "retryPolicy": {
            "maxAttempts": 2,
            "backoffSeconds": 0,
            "backoffFactor": 1.5,
            "maxBackoffSeconds": 86400,
            "retryExitCodes": [1, 255],
        },
    }


def full_schedule(**job: str) -> dict[str, Any]:
    """A schedule with every member of ScheduledJobCreate set, of the full job as far as a schedule may have
    it. It is never due by itself.
    """
    start = full_job(**job)
    return {
        "name": NAME,
        "description": LINES,
        "organizationId": "default",
        "workspaceId": "w",
        "clientId": "c",
        "cronExpression": "0 30 3 * * MON-FRI",
        "timeZone": "Europe/Berlin",
        "startAt": {"$instant": "2097-01-01T00:00:00+01:00"},
        "endAt": {"$instant": "2098-12-31T23:59:59.999+01:00"},
        "paused": False,
        "overlapPolicy": "ALLOW",
        "misfirePolicy": "SKIP",
        "job": {name: value for name, value in start.items() if name not in NEVER_IN_TEMPLATE.values()},
    }


def plain(value: Any) -> Any:
    """The same as REST says it: an instant is a text."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    return value.get("$instant") or {name: plain(member) for name, member in value.items()}
