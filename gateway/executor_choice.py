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
        return _process(settings, folder, open_files)
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
