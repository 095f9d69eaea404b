"""Which fields of a request the process executor enforces."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.domain.words import FeatureSupport

SUPPORT: Mapping[str, FeatureSupport] = MappingProxyType(
    {
        "commands": FeatureSupport.ENFORCED,
        # A command is all there is to run; an image's own one is not known here.
        "emptyCommands": FeatureSupport.REFUSED,
        "dockerImageUrl": FeatureSupport.RECORDED,
        "environmentVariables": FeatureSupport.ENFORCED,
        # Handed to the command as JOB_INPUT_URI; nobody fetches it.
        "inputUri": FeatureSupport.RECORDED,
        "attachments": FeatureSupport.RECORDED,
        "volumes": FeatureSupport.REFUSED,
        # RLIMIT_DATA: per process, not for all processes of a job together.
        "memoryLimit": FeatureSupport.ENFORCED,
        "memoryRequest": FeatureSupport.RECORDED,
        # By the Java machine, through JAVA_TOOL_OPTIONS.
        "xmxLimit": FeatureSupport.ENFORCED,
        "cpuLimit": FeatureSupport.RECORDED,
        "cpuRequest": FeatureSupport.RECORDED,
        "timeoutSeconds": FeatureSupport.ENFORCED,
        "heartbeatTimeoutSeconds": FeatureSupport.ENFORCED,
        "cancelGraceSeconds": FeatureSupport.ENFORCED,
    }
)
