"""Whether this host can run the file that a command names, as far as its first bytes tell for sure.

A shell takes what the kernel refuses (ENOEXEC) for a script of its own, so such a start would end with
nothing but exit code 126 or 127. Not looked into: the libraries of a program and its loader, what `env`
finds in `#!/usr/bin/env`, an interpreter that is a script itself.
"""

import os
import re
import stat
from pathlib import Path

HEAD_BYTES = 256
"""How much the kernel looks at (BINPRM_BUF_SIZE)."""
ELF_TYPES = (2, 3)
"""ET_EXEC and ET_DYN, what can be executed (elf(5))."""
OTHER_FORMATS = Path("/proc/sys/fs/binfmt_misc")
"""Where formats are listed that were made known to this kernel."""

_SHEBANG = re.compile(rb"#![ \t]*([^ \t\n\0]+)[ \t\n]")


def fault_of(file: Path, name: str, work: Path) -> str | None:
    """Why the file can never be executed from the folder `work`; None if it can, or nobody knows.

    `name` is what the command calls it.
    """
    head = _head_of(file)
    if head is None:
        return None
    if head.startswith(b"#!"):
        shebang = _SHEBANG.match(head + b"\n" if len(head) < HEAD_BYTES else head)
        return None if shebang is None else _fault_of_interpreter(os.fsdecode(shebang[1]), name, work)
    if head.startswith(b"\x7fELF"):
        # e_type, in the byte order of either kind of processor: a format may be known for the other.
        kind = head.ljust(HEAD_BYTES, b"\0")[16:18]
        if int.from_bytes(kind, "little") in ELF_TYPES or int.from_bytes(kind, "big") in ELF_TYPES:
            return None
        return f"{name!r} is a damaged program: its ELF header is none of an executable"
    # Text without "#!" is run by the shell.
    if b"\0" in head.partition(b"\n")[0] and _no_other_formats():
        return f"{name!r} is neither a program nor a script"
    return None


def _head_of(file: Path) -> bytes | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # It may be executed without being readable.
        return None
    try:
        return os.read(descriptor, HEAD_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _fault_of_interpreter(interpreter: str, name: str, work: Path) -> str | None:
    try:
        mode = (work / interpreter).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return f"the interpreter {interpreter!r} of {name!r} does not exist"
    except OSError:
        return None
    if not stat.S_ISREG(mode) or not mode & 0o111:
        return f"the interpreter {interpreter!r} of {name!r} is not executable"
    return None


def _no_other_formats() -> bool:
    """Whether it is sure that no further format is known; in a container the list may be out of sight."""
    try:
        return set(os.listdir(OTHER_FORMATS)) == {"register", "status"}
    except FileNotFoundError:
        return OTHER_FORMATS.parent.is_dir()
    except OSError:
        return False
