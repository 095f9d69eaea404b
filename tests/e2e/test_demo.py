"""`make demo` does what it shows."""

import subprocess
import sys

from tests.e2e.gateway_process import plain_environment


def test_the_demo_tells_its_story_and_ends_with_0() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.demo"],
        env=plain_environment(traced=True),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all of it happened" in done.stdout
    for part in ("LOCK_HELD", "the job over REST", "the same job over SOAP", "its history", "CANCELED"):
        assert part in done.stdout
