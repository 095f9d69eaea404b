"""Which fields of a request the Slurm executor enforces, and what keeps jobs apart.

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
        # `commands` run on the node itself, unless there are bundles.
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


def support_of(*, bundles: bool) -> Mapping[str, FeatureSupport]:
    """What is enforced. `bundles`: whether images have bundles, in which commands run."""
    image = FeatureSupport.ENFORCED if bundles else FeatureSupport.RECORDED
    return MappingProxyType({**SUPPORT, "dockerImageUrl": image})


def isolation_of(user: str, *, bundles: bool) -> str:
    """What keeps one job from another and from the nodes. `bundles`: as in `support_of`."""
    apart = (
        "each in a container of Slurm's, as the bundle of its image and the cluster's oci.conf have it"
        if bundles
        else "without containers; Slurm keeps their memory, cores and time apart, not their files"
    )
    return f"slurm: jobs run on the cluster's nodes as user {user}, {apart}"
