"""Chooses the executor."""

from pathlib import Path

from gateway.domain.executor import Executor
from gateway.executors.process import ProcessExecutor
from gateway.refusal import Refusal
from gateway.settings import Settings


def build_executor(settings: Settings, folder: Path, *, open_files: int) -> Executor:
    """The executor that the settings name, not open yet. Raises Refusal when a setting cannot be obeyed.

    `folder` is for what it keeps of jobs; `open_files`: how many files a job may have open.
    """
    try:
        match settings.executor:
            case "kubernetes":
                return _kubernetes(settings, folder)
            case "process":
                return _process(settings, folder, open_files)
            case other:
                raise ValueError(f"EXECUTOR: {other} is not there yet")
    except ValueError as error:
        raise Refusal(f"setting {error}") from None


def _process(settings: Settings, folder: Path, open_files: int) -> Executor:
    return ProcessExecutor(
        folder,
        default_path=settings.job_path,
        user=settings.job_user,
        output_limit_bytes=settings.output_limit_bytes,
        open_files=open_files,
    )


def _kubernetes(settings: Settings, folder: Path) -> Executor:
    try:
        from gateway.executors.kubernetes import KubernetesExecutor  # noqa: PLC0415
        from gateway.executors.kubernetes_access import access_by_file, access_in_cluster  # noqa: PLC0415
        from gateway.executors.kubernetes_manifest import Maker, volume_source  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ValueError(f"EXECUTOR: {error.name} is missing; install jobs-gateway[kubernetes]") from None
    if settings.kubernetes_instance is None:
        raise ValueError(
            "KUBERNETES_INSTANCE: name this gateway, so that it finds its Jobs again and leaves those of "
            "others in its namespace alone"
        )
    try:
        file = settings.kubernetes_config
        access = access_in_cluster() if file is None else access_by_file(file)
    except ValueError as error:
        raise ValueError(f"KUBERNETES_CONFIG: {error}") from None
    if access is None:
        raise ValueError("KUBERNETES_CONFIG: name a kubeconfig file; the gateway does not run in a cluster")
    maker = Maker(
        namespace=settings.kubernetes_namespace or access.namespace,
        instance=settings.kubernetes_instance,
        volumes={name: volume_source(source) for name, source in settings.volumes.items()},
        service_account=settings.kubernetes_service_account,
        image_pull_secrets=settings.kubernetes_image_pull_secrets,
        node_selector=settings.kubernetes_node_selector,
        writable_root=settings.kubernetes_writable_root,
        run_as_non_root=settings.kubernetes_run_as_non_root,
        keep_seconds=settings.kubernetes_keep_seconds,
    )
    return KubernetesExecutor(
        folder,
        access=access,
        maker=maker,
        output_limit_bytes=settings.output_limit_bytes,
        patience_seconds=settings.kubernetes_patience_seconds,
    )
