"""Disks that fail, fill up or take long, for a process that runs already."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.faults.rounds import until


@contextmanager
def injected(pid: int, call: str, what: str) -> Iterator[None]:
    """Have the system calls of a running process fail or wait, until the block ends."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    options = ["-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:{what}"]
    tracer = subprocess.Popen(["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE)
    try:
        until(lambda: tracer.poll() is not None or _are_traced(pid), "strace does not attach")
        if tracer.poll() is not None:
            pytest.skip("strace may not attach to a process here")
        yield
    finally:
        tracer.terminate()
        tracer.communicate()


def _are_traced(pid: int) -> bool:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks)


@contextmanager
def files_of_at_most(pid: int, size: int) -> Iterator[None]:
    """Let no file of a running process grow beyond a size, until the block ends."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


class SmallDisk:
    """A disk of a few megabytes at a folder, seen only by the processes started ``around`` it."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        self._folder = folder
        folder.mkdir()
        mount = f"mount -t tmpfs -o size={size_mb}m none {folder} && echo mounted && exec sleep 600"
        self._holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", mount], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n":
            self.close()
            pytest.skip("a small disk cannot be mounted here (unshare -rm, tmpfs)")
        pid = str(self._holder.pid)
        self.around = ["nsenter", "-t", pid, "-U", "-m", "--preserve-credentials"]

    @property
    def seen(self) -> Path:
        """Where this process sees the folder."""
        return Path(f"/proc/{self._holder.pid}/root{self._folder}")

    def free_bytes(self) -> int:
        disk = os.statvfs(self.seen)
        return disk.f_bavail * disk.f_frsize

    def fill(self, leave: int) -> None:
        """Take all space but so many bytes."""
        # Others write meanwhile, so it takes several turns and the last may find no room.
        with suppress(OSError), (self.seen / "filler").open("ab", buffering=0) as filler:
            while (more := self.free_bytes() - leave) > 0:
                filler.write(bytes(min(more, 1024 * 1024)))

    def empty(self) -> None:
        """Give the space back."""
        (self.seen / "filler").unlink()

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()
        assert self._holder.stdout is not None
        self._holder.stdout.close()
