"""The manifests with which the gateway itself is deployed: valid, and true to the code."""

from pathlib import Path

import pytest
import yaml

from gateway.settings import Settings, variable_name
from tests.kubernetes_checks import VERSIONS, check_schema

FOLDER = Path(__file__).parents[2] / "docker" / "kubernetes"
OBJECTS = [
    (path.name, document)
    for path in sorted(FOLDER.glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text("utf-8"))
]
STORE = "GATEWAY_STORE"
"""Where to keep everything, when that is a database server."""


def of_kind(kind):
    return {document["metadata"]["name"]: document for _, document in OBJECTS if document["kind"] == kind}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("file", "document"), OBJECTS, ids=lambda value: str(value)[:12])
def test_each_object_is_valid(file, document, version):
    check_schema(document, version)
    # They go into whatever namespace they are applied to.
    assert "namespace" not in document["metadata"], file


@pytest.mark.parametrize("deployment", of_kind("Deployment").values(), ids=of_kind("Deployment"))
def test_pods_are_selected_by_their_labels_and_have_what_they_name(deployment):
    spec = deployment["spec"]
    pod = spec["template"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert pod["serviceAccountName"] in of_kind("ServiceAccount")
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    assert {one["configMapRef"]["name"] for one in container["envFrom"]} <= of_kind("ConfigMap").keys()
    ports = {port["name"] for port in container.get("ports", ())}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if ports:
            assert container[probe]["httpGet"]["port"] in ports


def test_doors_answer_and_workers_work():
    args = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]["template"]["spec"][
            "containers"
        ][0]["args"]
        for one in of_kind("Deployment").values()
    }
    assert args == {"door": ["serve", "--no-work"], "worker": ["work"]}


def test_service_budget_and_policies_select_pods_that_there_are():
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind("Deployment").values()]
    # Of the pods of jobs.
    pods.append({"app.kubernetes.io/managed-by": "jobs-gateway"})
    selectors = [one["spec"]["selector"] for one in of_kind("Service").values()]
    selectors += [one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget").values()]
    selectors += [one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy").values()]
    for selector in selectors:
        assert sum(selector.items() <= labels.items() for labels in pods) == 1, selector


def test_all_variables_are_settings_with_values_that_they_take():
    data = of_kind("ConfigMap")["jobs-gateway"]["data"]
    known = {variable_name(name): name for name in Settings.model_fields}
    given = {known[name]: value for name, value in data.items()}
    settings = Settings(**given)
    assert settings.executor == "kubernetes"
    assert settings.kubernetes_service_account in of_kind("ServiceAccount")
    assert settings.jobs_url == "http://jobs-gateway"
    assert "jobs-gateway" in of_kind("Service")
    for deployment in of_kind("Deployment").values():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert {variable["name"] for variable in container["env"]} <= {*known, STORE}
