"""From settings to the Kubernetes executor, and what is said of settings that do not do."""

import sys

import pytest

from gateway.executor_choice import build_executor
from gateway.executors.kubernetes import KubernetesExecutor
from gateway.refusal import Refusal
from gateway.settings import read_settings
from tests.kubernetes_stand import KubernetesStand


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Settings that do."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return {
        "executor": "kubernetes",
        "kubernetes_instance": "ours",
        "kubernetes_config": KubernetesStand().kubeconfig(tmp_path / "kubeconfig"),
    }


def refusal_of(tmp_path, given):
    with pytest.raises(Refusal) as refused:
        build_executor(read_settings(given), tmp_path, open_files=1024)
    return str(refused.value)


def test_the_settings_name_the_executor(tmp_path, settings):
    executor = build_executor(read_settings(settings), tmp_path, open_files=1024)
    assert isinstance(executor, KubernetesExecutor)
    assert (executor.name, executor.queues, executor.reachable_from_anywhere) == ("kubernetes", True, True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"kubernetes_instance": None}, "setting KUBERNETES_INSTANCE: name this gateway"),
        ({"kubernetes_config": None}, "setting KUBERNETES_CONFIG: name a kubeconfig file"),
        ({"kubernetes_config": "/no/such/file"}, "setting KUBERNETES_CONFIG: /no/such/file: No such file"),
        ({"volumes": "data=/srv"}, "setting VOLUMES: '/srv' is none of claim:NAME"),
    ],
)
def test_what_is_wrong_with_a_setting_is_told(tmp_path, settings, changed, told):
    given = {name: value for name, value in {**settings, **changed}.items() if value is not None}
    assert refusal_of(tmp_path, given).startswith(told)


def test_a_library_that_is_missing_is_told_with_how_to_install_it(tmp_path, settings, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("gateway.executors.kubernetes")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert "install jobs-gateway[kubernetes]" in refusal_of(tmp_path, settings)
