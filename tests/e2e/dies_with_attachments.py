"""A gateway that is killed at a point of an attachment's way that DIES_AT names.

`received`: the file is there whole, and nowhere kept. `kept`: the file lies in its place, without a row.
`added`: the row is stored, the reply not sent. `deleted`: the row is gone, the file is not. `erased`: the job
is gone, its files are not.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from gateway.__main__ import main
from gateway.domain import attachments
from gateway.stores.attachment_folder import AttachmentFolder, ReceivedFile


def _die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _dying_after(method: Callable[..., Any]) -> Callable[..., Any]:
    async def run_and_die(*args: Any, **given: Any) -> Any:
        await method(*args, **given)
        _die()

    return run_and_die


match os.environ["DIES_AT"]:
    case "received":
        ReceivedFile.keep = _die  # type: ignore[method-assign]
    case "kept":
        ReceivedFile.keep = _dying_after(ReceivedFile.keep)  # type: ignore[method-assign]
    case "added":
        attachments.commit_reply = _dying_after(attachments.commit_reply)
    case "deleted":
        AttachmentFolder.remove = _die  # type: ignore[method-assign]
    case "erased":
        AttachmentFolder.remove_job = _die  # type: ignore[method-assign]
sys.exit(main())
