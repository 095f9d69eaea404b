"""Which fields of a request the Kubernetes executor enforces."""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.domain.words import FeatureSupport

SUPPORT: Mapping[str, FeatureSupport] = MappingProxyType(
    {
        "commands": FeatureSupport.ENFORCED,
        # The image's own entry point is run.
        "emptyCommands": FeatureSupport.ENFORCED,
        "dockerImageUrl": FeatureSupport.ENFORCED,
        "environmentVariables": FeatureSupport.ENFORCED,
        # Handed to the command as JOB_INPUT_URI; nobody fetches it.
        "inputUri": FeatureSupport.RECORDED,
        "attachments": FeatureSupport.RECORDED,
        "volumes": FeatureSupport.ENFORCED,
        "memoryLimit": FeatureSupport.ENFORCED,
        # By the scheduler: the node has it to spare.
        "memoryRequest": FeatureSupport.ENFORCED,
        # By the Java machine, through JAVA_TOOL_OPTIONS.
        "xmxLimit": FeatureSupport.ENFORCED,
        "cpuLimit": FeatureSupport.ENFORCED,
        "cpuRequest": FeatureSupport.ENFORCED,
        "timeoutSeconds": FeatureSupport.ENFORCED,
        "heartbeatTimeoutSeconds": FeatureSupport.ENFORCED,
        "cancelGraceSeconds": FeatureSupport.ENFORCED,
    }
)
