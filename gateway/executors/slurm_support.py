"""Which fields of a request the Slurm executor enforces.

Memory and cores are Slurm's to hold jobs to, as the cluster is set up: TaskPlugin with cgroups or affinity,
ConstrainRAMSpace or OverMemoryKill. Its API does not tell; the README asks operators for it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.domain.words import FeatureSupport

SUPPORT: Mapping[str, FeatureSupport] = MappingProxyType(
    {
        "commands": FeatureSupport.ENFORCED,
        # A command is all there is to run on a node.
        "emptyCommands": FeatureSupport.REFUSED,
        # `commands` run on the node itself.
        "dockerImageUrl": FeatureSupport.RECORDED,
        "environmentVariables": FeatureSupport.ENFORCED,
        # Handed to the command as JOB_INPUT_URI; nobody fetches it.
        "inputUri": FeatureSupport.RECORDED,
        "attachments": FeatureSupport.RECORDED,
        # Nodes have their own file systems, at their own paths.
        "volumes": FeatureSupport.REFUSED,
        "memoryLimit": FeatureSupport.ENFORCED,
        # Slurm sets aside what it limits to: the limit, which is never less than the request.
        "memoryRequest": FeatureSupport.ENFORCED,
        # By the Java machine, through JAVA_TOOL_OPTIONS.
        "xmxLimit": FeatureSupport.ENFORCED,
        # In whole cores, rounded up.
        "cpuLimit": FeatureSupport.ENFORCED,
        "cpuRequest": FeatureSupport.ENFORCED,
        "timeoutSeconds": FeatureSupport.ENFORCED,
        "heartbeatTimeoutSeconds": FeatureSupport.ENFORCED,
        "cancelGraceSeconds": FeatureSupport.ENFORCED,
    }
)
