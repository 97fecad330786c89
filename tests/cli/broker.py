"""A real MQTT broker, to be stopped and started again, and a client that publishes to it."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.rounds import until
from tests.faults.server import free_port
from tests.journey.sdks import run_python

_PUBLISH = """
    import json, sys
    import paho.mqtt.client as paho
    port, qos, retain, messages = json.load(sys.stdin)
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    infos = [client.publish(t, bytes.fromhex(p), qos, retain) for t, p in messages]
    for info in infos:
        info.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()
"""


class Broker:
    """Mosquitto with a session store on disk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._said = folder / "said.txt"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
            f"persistence true\npersistence_location {folder}/\n"
            "autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(
                [command, "-c", str(self._config)], stdout=said, stderr=said
            )
        until(self._answers, "the broker does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            self._process = None

    def publish(
        self, *messages: tuple[str, str | bytes], qos: int = 1, retain: bool = False
    ) -> None:
        """Publish with the real client, and wait until the broker has everything."""
        made = [(topic, (p.encode() if isinstance(p, str) else p).hex()) for topic, p in messages]
        run_python(_PUBLISH, stdin=[self.port, qos, retain, made])

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            time.sleep(0.05)
            return False
        return True


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """Give a running broker."""
    one = Broker(folder)
    one.start()
    try:
        yield one
    finally:
        one.stop()
