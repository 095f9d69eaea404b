"""Every setting of the gateway: its name, meaning, limits and default, and where its value comes from.

Names in capitals elsewhere (PUBLIC_URL) are these, in capitals. A value is taken from the command line's
option (`--public-url`), else from the environment (GATEWAY_PUBLIC_URL), else from the TOML file
(`public_url`), else it is the default. Lists are written with commas, in TOML also as arrays.
"""

import difflib
import ipaddress
import os
import platform
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.refusal import Refusal

PREFIX = "GATEWAY_"
MIB = 1024 * 1024
LABEL_NAME = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""RFC 1123: what Kubernetes calls things."""
LABEL_VALUE = "^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
"""What the value of a label of Kubernetes may be."""


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


def _split_pairs(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    pairs = [item.partition("=") for item in _split(value)]
    if not all(name and equals and source for name, equals, source in pairs):
        raise ValueError("must be written name=/path,name=/path")
    return {name.strip(): source.strip() for name, _, source in pairs}


def _check_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://jobs.example.org, without query or fragment")
    return value.rstrip("/")


def _check_network(value: str) -> str:
    ipaddress.ip_network(value, strict=False)
    return value


def _check_origin(value: str) -> str:
    parts = urlsplit(value)
    if not parts.scheme or not parts.hostname or value != f"{parts.scheme}://{parts.netloc}":
        raise ValueError("must be an origin such as https://app.example.org, without path")
    return value


def _check_engine_url(value: str) -> str:
    parts = urlsplit(value)
    local = parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/")
    remote = parts.scheme == "tcp" and parts.hostname and parts.port and parts.path in ("", "/")
    if not (local or remote) or parts.query or parts.fragment:
        raise ValueError("must be an address such as unix:///var/run/docker.sock or tcp://host:2375")
    return value.rstrip("/")


def _check_slurm_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
        return value
    if parts.path.strip("/"):
        raise ValueError("must be an address without a path, such as http://127.0.0.1:6820")
    return _check_url(value)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_check_network)], ...], NoDecode, BeforeValidator(_split)
]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_check_origin)], ...], NoDecode, BeforeValidator(_split)
]
Pairs = Annotated[dict[str, str], NoDecode, BeforeValidator(_split_pairs)]
Url = Annotated[str, AfterValidator(_check_url)]
EngineUrl = Annotated[str, AfterValidator(_check_engine_url)]
SlurmUrl = Annotated[str, AfterValidator(_check_slurm_url)]


class Settings(BaseSettings):
    """What the operator decided. Frozen; made by `read_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on. Another than loopback needs an API key to exist."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 = a free one, which is told at start and in the data folder's file `address`."""
    data: Path = Path("data")
    """Folder of everything that the gateway keeps: database, secret key, folders and output of jobs."""
    store: SecretStr | None = None
    """Address of a PostgreSQL database to keep everything in, postgresql://user@host/name; without it a file
    in the data folder. A password is better kept in the environment (PGPASSWORD) or in ~/.pgpass."""
    public_url: Url | None = None
    """Address under which callers reach the gateway, when a proxy stands before it; goes before whatever
    headers say."""
    allowed_hosts: Names = ()
    """Further host names that requests may name in `Host`."""
    trusted_proxies: Networks = ()
    """Addresses or networks of proxies whose Forwarded or X-Forwarded headers are believed. The proxy must
    replace or extend what its clients send, and drop the headers that it does not write."""
    cors_origins: Origins = ()
    """Origins of web pages that may call the gateway from a browser."""
    ignored_query_parameters: Names = ("utm_*", "_")
    """Shell patterns of query parameters that are ignored and not refused."""
    max_body_bytes: Annotated[int, Field(ge=1)] = 16 * MIB
    """Longest request body, in bytes; attachments over REST have a limit of their own."""
    max_attachment_bytes: Annotated[int, Field(ge=1)] = 100 * MIB
    """Longest attachment, in bytes. Over SOAP a whole message is also bound by MAX_BODY_BYTES."""
    max_job_attachment_bytes: Annotated[int, Field(ge=1)] = 1024 * MIB
    """Most bytes of attachments of one job."""
    secret_key_file: Path | None = None
    """File with the key that encrypts secrets; without it `secret.key` in the data folder, made at need."""
    bootstrap_key_file: Path | None = None
    """File with the first admin key of organization `default`, used while the gateway has no key at all.
    One that does not exist is written with a new key."""
    docs_need_key: bool = False
    """Whether /openapi.json, /docs, the SOAP page and the WSDLs need a key, too."""
    work: bool = True
    """Whether `gateway serve` runs jobs, too. Without, it only answers, and `gateway work` runs them."""
    lease_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """After how many seconds the jobs of a node that is not heard of are taken over by others."""
    node_name: str = Field(default_factory=platform.node)
    """Name of this node in messages. Default: the name of the host."""
    executor: Literal["process", "docker", "slurm", "kubernetes"] = "process"
    """What runs the jobs: processes of this host, or an engine."""
    jobs_url: Url | None = None
    """Address under which running jobs reach the gateway; without it the listening address for processes,
    and PUBLIC_URL for engines."""
    job_user: str | None = None
    """User that jobs run as. Needed when the gateway runs as root; `root` must be said outright."""
    job_path: Annotated[str, Field(min_length=1)] = "/usr/local/bin:/usr/bin:/bin"
    """PATH of jobs that set none."""
    # Docker
    docker_url: EngineUrl = "unix:///var/run/docker.sock"
    """Address of the Docker Engine API: unix:///path, or tcp://host:port, which nothing protects."""
    docker_instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    """Label that tells this gateway's containers from those of others at the same Docker. Nodes that share a
    store and a Docker behind tcp:// need the same; without it one is made up for the data folder."""
    docker_network: Annotated[str, Field(min_length=1)] = "none"
    """Docker's network that containers join; none = they have no network and cannot reach the gateway."""
    docker_user: Annotated[str, Field(min_length=1)] | None = None
    """User, or user:group, that containers run as; without it the image's own."""
    docker_capabilities: Names = ()
    """Capabilities of Linux that containers keep; all others are dropped."""
    docker_writable_root: bool = False
    """Whether containers may write into the file system of their image and not in /tmp and volumes alone."""
    docker_pids_limit: Annotated[int, Field(ge=0)] = 1024
    """Most processes and threads of a container; 0 = no limit."""
    docker_pull: Literal["missing", "always", "never"] = "missing"
    """When Docker is told to pull an image."""
    docker_auth_file: Path | None = None
    """File with the credentials of registries, in the form of Docker's config.json (`auths`)."""
    # Slurm
    slurm_url: SlurmUrl = "http://127.0.0.1:6820"
    """Address of slurmrestd: http://host:port, https://host:port, or unix:///path of its socket."""
    slurm_api_version: Annotated[str, Field(pattern=r"^v0\.0\.(3[89]|[4-9][0-9])$")] = "v0.0.38"
    """Version of the API that slurmrestd is asked for, from v0.0.38 on; newer ones of Slurm drop old ones."""
    slurm_user: Annotated[str, Field(min_length=1)] | None = None
    """User of Slurm as whom jobs run, by whose token; without it the gateway's own. Another one needs a
    gateway that runs as root."""
    slurm_token_file: Path | None = None
    """File with the user's token, as `scontrol token` prints it; read again when it changes. Needed."""
    slurm_partition: Annotated[str, Field(min_length=1)] | None = None
    """Partition that jobs are submitted to; without it Slurm's default."""
    slurm_account: Annotated[str, Field(min_length=1)] | None = None
    """Account that jobs are charged to; without it the user's default."""
    slurm_shared_folder: Path | None = None
    """Folder that the gateway and all of Slurm's nodes see at the same absolute path; for this gateway alone:
    what is there of jobs that it does not know is deleted. Needed."""
    slurm_bundles: Path | None = None
    """Folder that the gateway and all of Slurm's nodes see at the same absolute path, with an OCI bundle for
    each image, called like the image with `+` for each `/`. With it jobs run in containers of Slurm's, for
    which the nodes need oci.conf; without it on the nodes themselves."""
    # Kubernetes
    kubernetes_instance: Annotated[str, Field(pattern=LABEL_VALUE)] | None = None
    """Name of this gateway, a label of its Jobs by which it finds them again. The executor kubernetes needs
    it; gateways with one store share it, others in the namespace must have another."""
    kubernetes_namespace: Annotated[str, Field(pattern=LABEL_NAME)] | None = None
    """Namespace of the Jobs; without it the gateway's own, or that of the kubeconfig's context."""
    kubernetes_config: Path | None = None
    """Kubeconfig file, of which the current context is used; without it the service account of the gateway's
    pod."""
    kubernetes_service_account: str | None = None
    """Service account of the pods of jobs, whose token they do not get; without it the default one."""
    kubernetes_image_pull_secrets: Names = ()
    """Secrets with which the images of jobs are pulled."""
    kubernetes_node_selector: Pairs = {}
    """Labels of the nodes on which jobs may run, as name=value,name=value."""
    kubernetes_writable_root: bool = False
    """Whether jobs may write to the file system of their image; else to /tmp and their volumes alone."""
    kubernetes_run_as_non_root: bool = False
    """Whether images that run as root are refused."""
    kubernetes_patience_seconds: Annotated[int, Field(ge=1)] = 60
    """Seconds that a pod which cannot begin (image, volume) is given before its attempt is FAILED."""
    kubernetes_keep_seconds: Annotated[int, Field(ge=60)] = 86400
    """Seconds that a Job which is over stays in the cluster. A gateway that was away for longer does not
    learn how it ended."""
    shared_host_jobs: bool = False
    """Whether organizations may share this host, though nothing keeps their jobs apart."""
    max_running_jobs: Annotated[int, Field(ge=0)] = Field(default_factory=lambda: 2 * _cores())
    """Most jobs that run at one time; 0 = no limit. Default: twice the number of cores."""
    max_running: Annotated[int, Field(ge=0)] = 0
    """Most jobs of one organization that run at one time; 0 = no limit."""
    max_not_final: Annotated[int, Field(ge=0)] = 0
    """Most jobs of one organization that have not ended; 0 = no limit."""
    retention_days: Annotated[int, Field(ge=0, le=36500)] = 0
    """Days until an ended job without expiresAt is deleted; 0 = never."""
    allowed_images: Names = ()
    """Shell patterns of the images that jobs may name; empty = any."""
    volumes: Pairs = {}
    """Volumes that jobs may mount, as name=source,name=source; what a source is depends on the executor."""
    catalogue: Path | None = None
    """TOML file with the types of jobs; without it the one that comes with the gateway."""
    output_limit_bytes: Annotated[int, Field(ge=4096)] = 10 * MIB
    """Most bytes kept of each output stream of an attempt; of longer ones the middle is dropped."""
    stop_jobs_on_exit: bool = False
    """Whether running jobs are canceled when the gateway stops; else they go on and are found again."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level of what is logged."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """JSON lines or plain text; auto = text on a terminal, else JSON."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: `read_settings` merges the sources, so that it can name them."""
        return (init_settings,)


def read_settings(options: Mapping[str, Any], config: Path | None = None) -> Settings:
    """The settings in force.

    `options` are values of the command line by field name, `config` the TOML file. Raises Refusal with one
    line for each wrong value or unknown name.
    """
    from_file = _read_file(config) if config else {}
    from_environment = EnvSettingsSource(Settings)()
    given = {**from_file, **from_environment, **options}
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0])
            if name in options:
                source = option_name(name)
            elif name in from_environment:
                source = variable_name(name)
            else:
                source = str(config)
            message = problem["msg"].removeprefix("Value error, ")
            value = given[name]
            lines.append(f"setting {name.upper()}, from {source}: {str(value)!r}: {message}")
        raise Refusal("\n".join(lines)) from None


def unknown_variables(environment: Mapping[str, str], others: tuple[str, ...] = ()) -> list[str]:
    """A line for each variable of the environment that looks like a setting and is none.

    `others` are the beginnings of names that mean something else.
    """
    known = [variable_name(name) for name in Settings.model_fields]
    return [
        f"environment variable {name} is no setting{_suggest(name, known)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known and not name.startswith(others)
    ]


def option_name(field: str) -> str:
    """The command line's option of a field."""
    return "--" + field.replace("_", "-")


def variable_name(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


def _read_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Refusal(f"settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"settings file {path}: {error}") from None
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for key, value in document.items():
        name = key.lower().removeprefix(PREFIX.lower())
        if name not in Settings.model_fields:
            wrong.append(f"settings file {path}: {key} is no setting{_suggest(name, Settings.model_fields)}")
        elif name in values:
            wrong.append(f"settings file {path}: {key} is there twice")
        else:
            values[name] = value
    if wrong:
        raise Refusal("\n".join(wrong))
    return values


def _suggest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
