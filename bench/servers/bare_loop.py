"""The rival of the process executor: a bare event loop that runs commands through the gateway's waiter.

It makes the attempt's folders, spawns the waiter with its output going into files there, and learns of the
end by a pidfd. It has no store, no queue, no API. `python -m bench.servers.bare_loop FOLDER COUNT CONCURRENCY
PAUSE COMMAND...` prints as JSON how long each start and all together took; PAUSE = seconds between commands.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import uvloop

import gateway.executors

_WAITER = Path(gateway.executors.__path__[0]) / "waiter.sh"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def start(folder: Path, command: list[str]) -> int:
    """Start an attempt; its waiter's pid."""
    work = folder / "work"
    work.mkdir(mode=0o700, parents=True)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(work), "TMPDIR": str(work)}
    # Folder, boot id; no counter of kills; umask; no memory limit, cgroup or limit of files; no variables
    # that must be carried, no change of user.
    arguments = ["sh", str(_WAITER), str(folder), _BOOT_ID, "", "022", "", "", "", "0", "", "/usr/bin/env"]
    return os.posix_spawn(
        "/bin/sh",
        [*arguments, *command],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(folder / "stdout"), _WRITE, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, str(folder / "waiter"), _WRITE, 0o600),
            (os.POSIX_SPAWN_OPEN, 3, str(folder / "stderr"), _WRITE, 0o600),
        ],
        setsid=True,
    )


async def end_of(pid: int) -> None:
    """Wait until a waiter has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    pidfd = os.pidfd_open(pid)
    loop.add_reader(pidfd, ended.set)
    await ended.wait()
    loop.remove_reader(pidfd)
    os.close(pidfd)
    os.waitpid(pid, 0)


async def run(
    folder: Path, count: int, concurrency: int, pause: float, command: list[str]
) -> dict[str, object]:
    """Run the command so many times, some of them at a time."""
    starts: list[float] = []
    begun: list[float] = []
    numbers = iter(range(count))

    async def one_after_another() -> None:
        for number in numbers:
            asked, asked_at = time.perf_counter(), time.time()
            attempt = folder / str(number) / "1"
            pid = start(attempt, command)
            starts.append(time.perf_counter() - asked)
            await end_of(pid)
            assert (attempt / "exit").read_text().split()[0] == "0", attempt
            if stamp := (attempt / "stdout").read_text():
                begun.append(float(stamp) - asked_at)
            await asyncio.sleep(pause)

    began = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(concurrency)))
    return {"seconds": time.perf_counter() - began, "starts": starts, "begun": begun}


if __name__ == "__main__":
    FOLDER, COUNT, CONCURRENCY, PAUSE, *COMMAND = sys.argv[1:]
    print(json.dumps(uvloop.run(run(Path(FOLDER), int(COUNT), int(CONCURRENCY), float(PAUSE), COMMAND))))
