"""Which fields of a request Docker enforces."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.domain.words import FeatureSupport

SUPPORT: Mapping[str, FeatureSupport] = MappingProxyType(
    {
        "commands": FeatureSupport.ENFORCED,
        # The image's own entrypoint and command are run then.
        "emptyCommands": FeatureSupport.ENFORCED,
        "dockerImageUrl": FeatureSupport.ENFORCED,
        "environmentVariables": FeatureSupport.ENFORCED,
        # Handed to the command as JOB_INPUT_URI; nobody fetches it.
        "inputUri": FeatureSupport.RECORDED,
        "attachments": FeatureSupport.RECORDED,
        "volumes": FeatureSupport.ENFORCED,
        # For all processes of the container together.
        "memoryLimit": FeatureSupport.ENFORCED,
        # One host takes every container: there is nothing that would set aside anything.
        "memoryRequest": FeatureSupport.RECORDED,
        # By the Java machine, through JAVA_TOOL_OPTIONS.
        "xmxLimit": FeatureSupport.ENFORCED,
        "cpuLimit": FeatureSupport.ENFORCED,
        "cpuRequest": FeatureSupport.RECORDED,
        "timeoutSeconds": FeatureSupport.ENFORCED,
        "heartbeatTimeoutSeconds": FeatureSupport.ENFORCED,
        "cancelGraceSeconds": FeatureSupport.ENFORCED,
    }
)


def support_of(info: Mapping[str, Any]) -> Mapping[str, FeatureSupport]:
    """What an engine enforces by what it says of itself: one without root may lack the cgroups for limits."""
    lacking = {
        field: FeatureSupport.RECORDED
        for field, member in (("memoryLimit", "MemoryLimit"), ("cpuLimit", "CpuCfsQuota"))
        if info.get(member) is False
    }
    return MappingProxyType({**SUPPORT, **lacking})
