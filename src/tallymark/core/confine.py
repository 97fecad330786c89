"""Gives up what a process does not need, so that whatever it runs cannot have it either.

Limits of the kernel, which hold whatever the process does: memory, CPU seconds, and on Linux, through
Landlock, every file but one folder and every network address.
"""

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Final

_NO_NEW_PRIVS: Final = 38
_NEW_USERS: Final = 0x10000000
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_BENEATH: Final = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# How many rights over files each version of Landlock knows; the rest came without changing them.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FILE_RIGHTS: Final = 16
_NET_RIGHTS: Final = 0b11
_FILES: Final = 64


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def limit(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Bound the address space and the CPU time of this process; beyond the latter it is killed."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        resource.setrlimit(kind, (most, most))


def enter(folder: Path) -> bool:
    """Make a folder all that this process sees of the file system; say whether the kernel let it.

    Root may, and on most systems anybody who is alone in a name space of his own. The process must
    have one thread, and have imported what it needs.
    """
    os.chdir(folder)
    if os.geteuid() != 0 and sys.platform == "linux":
        ctypes.CDLL(None).unshare(_NEW_USERS)
    try:
        os.chroot(".")
    except OSError:
        return False
    return True


def only_read(*folders: Path) -> bool:
    """Refuse this thread, and all it starts, every file but those below folders, writing, and the network.

    Returns whether the kernel could: it needs Linux 5.13 with Landlock.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, 0, 1)
    if version < 1 or libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    files = (1 << _FILE_RIGHTS.get(version, _NEWEST_FILE_RIGHTS)) - 1
    rules = _Ruleset(files, _NET_RIGHTS if version >= 4 else 0)
    size = ctypes.sizeof(rules) if version >= 4 else ctypes.sizeof(ctypes.c_uint64)
    handle = libc.syscall(_CREATE, ctypes.byref(rules), size, 0)
    if handle < 0:
        return False
    try:
        for folder in folders:
            parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            beneath = _Beneath(_READ_FILE | _READ_DIR, parent)
            added = libc.syscall(_ADD, handle, _BENEATH, ctypes.byref(beneath), 0)
            os.close(parent)
            if added != 0:
                return False
        return bool(libc.syscall(_RESTRICT, handle, 0) == 0)
    finally:
        os.close(handle)
