"""Many threads may meet a struct at the same moment, if the process has learned it before."""

import subprocess
import sys

_PROGRAM = """
import sys, threading
import msgspec
from msgspec import Meta, Struct, defstruct
from typing import Annotated
from tallymark.core.structs import learn

sys.setswitchinterval(1e-6)
described = Annotated[int | str | None, Meta(description="anything")]
for _ in range(150):
    base = defstruct("Base", [])
    kind = defstruct("Kind", [(f"f{n}", described, None) for n in range(60)], bases=(base,))
    if sys.argv[1] == "learned":
        learn(base)
    together = threading.Barrier(4)
    def meet(kind=kind, together=together):
        together.wait()
        assert msgspec.json.decode(b'{"f59": 3}', type=kind).f59 == 3
    threads = [threading.Thread(target=meet) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
"""


def _meeting(how: str) -> int:
    return subprocess.run([sys.executable, "-c", _PROGRAM, how], check=False).returncode


def test_what_was_learned_can_be_met_by_many_threads_at_once() -> None:
    assert _meeting("learned") == 0


_QUESTIONS = """
import sys, threading
import msgspec
from tallymark.app.answering import insights
from tallymark.app.learning import learn_all

learn_all()
sys.setswitchinterval(1e-6)
for insight in insights().values():
    together = threading.Barrier(4)
    def meet(kind=insight.question, together=together):
        together.wait()
        msgspec.json.decode(b"{}", type=kind)
    threads = [threading.Thread(target=meet) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
"""


def test_the_first_questions_may_come_together() -> None:
    assert subprocess.run([sys.executable, "-c", _QUESTIONS], check=False).returncode == 0
