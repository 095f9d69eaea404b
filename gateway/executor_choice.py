"""Chooses the executor."""

from pathlib import Path

from gateway.domain.executor import Executor
from gateway.executors.process import ProcessExecutor
from gateway.refusal import Refusal
from gateway.settings import Settings

LOG_SHARE = 10
"""How much more than what is kept of a stream Docker may write of a container's output: both streams go into
one file there, each line with some hundred bytes about it, and the gateway may be away for a while."""


def build_executor(settings: Settings, folder: Path, *, open_files: int) -> Executor:
    """The executor that the settings name, not open yet. Raises Refusal when a setting cannot be obeyed.

    `folder` is for what it keeps of jobs; `open_files`: how many files a job may have open.
    """
    try:
        match settings.executor:
            case "process":
                return _process(settings, folder, open_files)
            case "docker":
                return _docker(settings, folder)
            case "slurm":
                return _slurm(settings)
            case "kubernetes":
                return _kubernetes(settings, folder)
            case name:
                raise ValueError(f"EXECUTOR: there is no executor {name!r}")
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


def _docker(settings: Settings, folder: Path) -> Executor:
    try:
        # Only who uses it needs the client library.
        from gateway.executors.docker import DockerExecutor
        from gateway.executors.docker_container import Rules
        from gateway.executors.docker_engine import DockerEngine
        from gateway.executors.docker_images import Images
    except ImportError as error:
        raise ValueError(f"EXECUTOR: docker needs `pip install jobs-gateway[docker]`: {error}") from None
    engine = DockerEngine(settings.docker_url)
    try:
        images = Images(engine, pull=settings.docker_pull, auth_file=settings.docker_auth_file)
    except ValueError as error:
        raise ValueError(f"DOCKER_AUTH_FILE: {error}") from None
    return DockerExecutor(
        folder,
        engine=engine,
        rules=Rules(
            network=settings.docker_network,
            user=settings.docker_user,
            capabilities=settings.docker_capabilities,
            writable_root=settings.docker_writable_root,
            pids_limit=settings.docker_pids_limit,
            volumes=settings.volumes,
            log_bytes=LOG_SHARE * settings.output_limit_bytes,
        ),
        images=images,
        output_limit_bytes=settings.output_limit_bytes,
        instance=settings.docker_instance,
    )


def _slurm(settings: Settings) -> Executor:
    try:
        # Only who uses it needs the client library.
        from gateway.executors.slurm import SlurmExecutor
    except ImportError as error:
        raise ValueError(f"EXECUTOR: slurm needs `pip install jobs-gateway[slurm]`: {error}") from None
    if settings.slurm_token_file is None:
        raise ValueError("SLURM_TOKEN_FILE: the executor slurm needs it")
    if settings.slurm_shared_folder is None:
        raise ValueError("SLURM_SHARED_FOLDER: the executor slurm needs it")
    return SlurmExecutor(
        settings.slurm_shared_folder,
        url=settings.slurm_url,
        api_version=settings.slurm_api_version,
        user=settings.slurm_user,
        token_file=settings.slurm_token_file,
        partition=settings.slurm_partition,
        account=settings.slurm_account,
        default_path=settings.job_path,
        bundles=settings.slurm_bundles,
        output_limit_bytes=settings.output_limit_bytes,
    )


def _kubernetes(settings: Settings, folder: Path) -> Executor:
    try:
        from gateway.executors.kubernetes import KubernetesExecutor
        from gateway.executors.kubernetes_access import access_by_file, access_in_cluster
        from gateway.executors.kubernetes_manifest import Maker, volume_source
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
