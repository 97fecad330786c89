"""A server of our own for a data folder that nobody serves, ended with the client that needed it."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tallymark.core.clock import Clock, SystemClock
from tallymark.core.errors import TallymarkError, Unavailable
from tallymark.core.sockets import socket_path

from .transport import Request, Transport

_OWN = "tallymark: "
_RAISED = re.compile(r"[\w.]*(Error|Exception)\b")
_START_SECONDS = 30
# One of our own that is still at it is waited for longer: on a busy machine a start takes its time.
_OWN_START_SECONDS = 150
_STOP_SECONDS = 20
_LOOK_SECONDS = 0.02
_AGAIN_SECONDS = 0.2
# What `tallymark` ends with when another server has the data folder.
EXIT_IN_USE = 3


class PrivateServer:
    """A child process that serves the folder's socket for as long as we hold its stdin open.

    The pipe closes when this process ends, however it ends, so no server is left behind.
    """

    def __init__(self, data: Path, flags: Sequence[str] = ("--no-tcp",)) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [
                sys.executable, "-m", "tallymark", "serve",
                "--data", str(data), *flags, "--until-stdin-closes",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            # Ctrl-C in a terminal goes to the whole group; the client decides when to stop.
            start_new_session=True,
        )  # fmt: skip

    def has_ended(self) -> bool:
        """Whether the child process is gone."""
        return self._child.poll() is not None

    def status(self) -> int | None:
        """Return the exit status of the child process, None while it runs."""
        return self._child.poll()

    def holds(self, data: Path) -> bool:
        """Whether the child process is the one that has the data folder."""
        try:
            return (data / "lock").read_text("ascii") == str(self._child.pid)
        except OSError:
            return False

    def last_words(self) -> str:
        """Return why the server ended, as its standard error says: its own error line, if any."""
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").splitlines()
        own = [line.removeprefix(_OWN) for line in lines if line.startswith(_OWN)]
        raised = [line for line in lines if _RAISED.match(line)]
        return (own or raised or [f"it ended with status {self._child.returncode}"])[-1]

    def stop(self) -> None:
        """End the server and wait until it is gone; harmless when it is gone already."""
        if self._said.closed:
            return
        if self._child.stdin is not None:
            self._child.stdin.close()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._said.close()


def front_socket(data: Path) -> Path:
    """Return the socket on which the folder's server takes requests of its owner."""
    return socket_path(data, "front.sock")


def ensure_served(
    data: Path, flags: Sequence[str] = ("--no-tcp",), *, clock: Clock | None = None
) -> PrivateServer | None:
    """Return once the folder's socket answers: None if somebody serves it, else our own server.

    Raises Unavailable SERVER_AWAY with the server's last words if it does not start.
    """
    clock = clock or SystemClock()
    socket = front_socket(data)
    began = clock.monotonic()
    server: PrivateServer | None = None
    try:
        while not _answers(socket):
            if server is None:
                server = PrivateServer(data, flags)
            elif server.has_ended():
                _check_in_use(server)
                server = None
            patience = _START_SECONDS if server is None else _OWN_START_SECONDS
            if clock.monotonic() > began + patience:
                raise Unavailable(
                    f"No server answered on {socket} within {patience} s.", code="SERVER_AWAY"
                )
            time.sleep(_LOOK_SECONDS if server else _AGAIN_SECONDS)
        # Somebody else may have won the folder while ours was still starting.
        if server is not None and not server.holds(data):
            server.stop()
            return None
    except BaseException:
        if server is not None:
            server.stop()
        raise
    return server


def _check_in_use(server: PrivateServer) -> None:
    """Return if the server ended because another one has the folder; raise why it ended else.

    The other one either starts up, and will answer, or goes away, and then we shall get in.
    """
    words, is_in_use = server.last_words(), server.status() == EXIT_IN_USE
    server.stop()
    if not is_in_use:
        raise Unavailable(
            f"No server could be started: {words}",
            code="SERVER_AWAY",
            hint="Mend that, then try again.",
        )


def _answers(socket: Path) -> bool:
    if not socket.exists():
        return False
    with Transport(socket, headers={}, timeout_seconds=5) as transport:
        try:
            return transport.answer(Request("GET", "/readyz", patience_seconds=0)).status == 200
        except TallymarkError:
            return False
