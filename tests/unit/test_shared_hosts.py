"""Whether organizations may share hosts on which all jobs run as one user."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.domain.keys import new_key
from gateway.domain.words import Role
from gateway.executors.slurm_support import isolation_of
from gateway.key_rules import check_shared_host
from gateway.refusal import Refusal
from gateway.settings import Settings

NOW = datetime(2026, 11, 26, tzinfo=UTC)
KEYS = [
    new_key(name="ada", role=Role.READER, now=NOW, organization_id=organization)[1]
    for organization in ("one", "two")
]
SHARING = ["none", "slurm", isolation_of("ada", bundles=False), isolation_of("ada", bundles=True)]


@pytest.mark.parametrize("isolation", SHARING)
def test_organizations_share_hosts_only_when_that_is_said(isolation: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"setting SHARED_HOST_JOBS: .*one, two"):
        check_shared_host(isolation, KEYS, Settings(data=tmp_path), NOW)
    check_shared_host(isolation, KEYS, Settings(data=tmp_path, shared_host_jobs=True), NOW)
    check_shared_host(isolation, KEYS[:1], Settings(data=tmp_path), NOW)


@pytest.mark.parametrize("isolation", ["container", "docker", "kubernetes"])
def test_organizations_whose_jobs_run_in_containers_need_no_word(isolation: str, tmp_path: Path) -> None:
    check_shared_host(isolation, KEYS, Settings(data=tmp_path), NOW)
