"""The exit status in a file that a job could have written: anything else may stand there."""

import re

STATUS = re.compile(r"[0-9]{1,3}")
HIGHEST = 255


def exit_status(text: str) -> int | None:
    """The status that a text is; None if it is none."""
    status = int(text) if STATUS.fullmatch(text) else None
    return None if status is None or status > HIGHEST else status
