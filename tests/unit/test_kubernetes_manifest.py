"""The objects of attempts in Kubernetes, checked against the official schemas."""

from decimal import Decimal

import pytest

from gateway.domain.executor import AttemptKey, Launch, Mount, Resources, StartRefused
from gateway.domain.words import FeatureSupport
from gateway.executors.kubernetes_manifest import Maker, volume_source
from gateway.executors.kubernetes_support import SUPPORT
from gateway.executors.process_support import SUPPORT as ALL_FIELDS
from tests.kubernetes_checks import VERSIONS, check, check_schema

KEY = AttemptKey("0199d4a8-0000-7000-8000-000000000000", 3)
OWNER = {"metadata": {"name": "job", "uid": "5d1c"}}
PLAIN = Maker(namespace="jobs", instance="ours")
VOLUMES = {
    "data": volume_source("claim:shared"),
    "settings": volume_source("configMap:settings"),
    "scratch": volume_source("emptyDir:1Gi"),
    "cache": volume_source("emptyDir"),
}
FULL = Maker(
    namespace="jobs",
    instance="ours",
    volumes=VOLUMES,
    service_account="runner",
    image_pull_secrets=("registry",),
    node_selector={"pool": "jobs"},
    writable_root=True,
    run_as_non_root=True,
)
EMPTY = Launch(key=KEY, commands=(), image="image", environment={})
SECRET = Launch(
    key=KEY,
    commands=("run",),
    image="image",
    environment={"A": "1", "TOKEN": "hidden", "odd name": "hidden", "..": "hidden"},
    secrets=frozenset({"TOKEN", "odd name", "..", "UNSET"}),
)
WHOLE = Launch(
    key=KEY,
    commands=("run", "$(A)", ""),
    image="registry.example:5000/team/image@sha256:" + "0" * 64,
    environment={"A": "$(B) $$ ü", "EMPTY": "", "JOB_TOKEN": "hidden"},
    secrets=frozenset({"JOB_TOKEN"}),
    organization_id="org:1",
    mounts=(
        Mount(name="v 1", source="data", path="/data", read_only=True),
        Mount(name="v2", source="settings", path="/etc/settings"),
        Mount(name="v3", source="scratch", path="/scratch"),
        Mount(name="v4", source="cache", path="/tmp/"),
        Mount(name="v5", source="data", path="/again"),
    ),
    resources=Resources(
        memory_limit_mb=512, memory_request_mb=256, cpu_limit=Decimal("1.5"), cpu_request=Decimal("0.25")
    ),
    timeout_seconds=60,
    grace_seconds=5,
)
LAUNCHES = {"empty": EMPTY, "secret": SECRET, "whole": WHOLE}


def pod_of(maker, launch):
    return maker.job(launch)["spec"]["template"]["spec"]


def container_of(maker, launch):
    (container,) = pod_of(maker, launch)["containers"]
    return container


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", LAUNCHES)
def test_the_objects_are_valid(name, version):
    job, secret = FULL.job(LAUNCHES[name]), FULL.secret(LAUNCHES[name], OWNER)
    check_schema(job, version)
    check(job, "jobs")
    if secret is not None:
        check_schema(secret, version)
        check(secret, "jobs")


def test_every_field_is_said_to_be_supported_and_what_is_enforced_is_in_the_job():
    assert SUPPORT.keys() == ALL_FIELDS.keys()
    refused = [name for name, support in SUPPORT.items() if support is FeatureSupport.REFUSED]
    assert refused == []
    container = container_of(FULL, WHOLE)
    assert container["image"] == WHOLE.image
    assert container["resources"] == {
        "limits": {"memory": "512Mi", "cpu": "1.5"},
        "requests": {"memory": "256Mi", "cpu": "0.25"},
    }
    assert "command" not in container_of(FULL, EMPTY)
    assert container["command"] == ["run", "$$(A)", ""]
    assert pod_of(FULL, WHOLE)["terminationGracePeriodSeconds"] == 5


def test_a_pod_has_no_rights_and_no_more_of_the_host_than_it_needs():
    pod, container = pod_of(PLAIN, WHOLE_WITHOUT_MOUNTS), container_of(PLAIN, WHOLE_WITHOUT_MOUNTS)
    assert (pod["restartPolicy"], pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (
        "Never",
        False,
        False,
    )
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


WHOLE_WITHOUT_MOUNTS = Launch(**{**vars(WHOLE), "mounts": ()})


def test_what_the_operator_wants_is_in_the_pod():
    pod = pod_of(FULL, WHOLE)
    assert (pod["serviceAccountName"], pod["nodeSelector"]) == ("runner", {"pool": "jobs"})
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not container_of(FULL, WHOLE)["securityContext"]["readOnlyRootFilesystem"]
    assert FULL.job(WHOLE)["spec"]["ttlSecondsAfterFinished"] == 86400


def test_the_second_guard_is_later_than_the_timeout_and_its_grace():
    assert pod_of(PLAIN, WHOLE_WITHOUT_MOUNTS)["activeDeadlineSeconds"] > 60 + 5
    assert "activeDeadlineSeconds" not in pod_of(PLAIN, EMPTY)
    assert "activeDeadlineSeconds" not in PLAIN.job(WHOLE_WITHOUT_MOUNTS)["spec"]


def test_volumes_are_mounted_where_the_job_wants_them():
    pod, container = pod_of(FULL, WHOLE), container_of(FULL, WHOLE)
    sources = {one["name"]: {k: v for k, v in one.items() if k != "name"} for one in pod["volumes"]}
    seen = {mount["mountPath"]: sources[mount["name"]] for mount in container["volumeMounts"]}
    claim = {"persistentVolumeClaim": {"claimName": "shared"}}
    assert seen == {
        "/data": claim,
        "/again": claim,
        "/etc/settings": {"configMap": {"name": "settings"}},
        "/scratch": {"emptyDir": {"sizeLimit": "1Gi"}},
        "/tmp/": {"emptyDir": {}},
    }
    read_only = {mount["mountPath"] for mount in container["volumeMounts"] if mount.get("readOnly")}
    assert read_only == {"/data", "/etc/settings"}


def test_a_volume_of_the_job_at_tmp_takes_the_place_of_ours():
    maker = Maker(namespace="jobs", instance="ours", volumes=VOLUMES)
    mounts = [mount["name"] for mount in container_of(maker, WHOLE)["volumeMounts"]]
    assert "tmp" not in mounts


def test_secrets_are_in_no_object_but_the_secret_and_those_unset_nowhere():
    job, secret = FULL.job(SECRET), FULL.secret(SECRET, OWNER)
    assert "hidden" not in str(job)
    assert secret is not None
    assert len(secret["data"]) == 3
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "5d1c"
    assert FULL.secret(EMPTY, OWNER) is None


@pytest.mark.parametrize(
    "source", ["", "claim", "claim:", "configMap:", "/srv", "hostPath:/", "emptyDir:", "emptyDir:big"]
)
def test_a_source_that_is_none_is_refused(source):
    with pytest.raises(ValueError, match=r"VOLUMES: .* is none of claim:NAME"):
        volume_source(source)


def test_a_volume_that_is_not_there_is_refused():
    with pytest.raises(StartRefused, match="'v 1': the setting VOLUMES has no 'data'"):
        PLAIN.job(WHOLE)
