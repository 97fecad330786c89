"""What every test shares: Hypothesis profiles, and the check that each promise was proved."""

import gc
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.docs import promises
from tests.scheduling import ByFile

# Shared machines make wall-clock deadlines and slow-generation checks fail for no fault of ours.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
_DEV = settings.get_profile("dev")
# Each insight says for itself how many histories its oracle sees; what says nothing has fifty here.
settings.register_profile(
    "ci", _DEV, derandomize=True, database=None, print_blob=True, max_examples=50
)
settings.register_profile("long", _DEV, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


class ProofWatch:
    """Notes how each test ended; fails a whole run in which a promise was left without proof."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.unproved: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A skip in setup and a failure in teardown both overrule a passed call.
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        # A run that failed says so by itself; this finds what a green one left out.
        if session.exitstatus != pytest.ExitCode.OK or not promises.is_whole_run(session.config):
            return
        self.unproved = promises.unproved(self.outcomes)
        if self.unproved:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.unproved:
            terminalreporter.section("promises without proof", red=True)
            for line in self.unproved:
                terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(ProofWatch(), "proof-watch")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    # What all tests and modules are stays to the end; looking through it again and again costs a
    # twenty-fifth of the time.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_make_parametrize_id(val: object) -> str | None:
    # gzip writes the time into its header, and every process has to give a test the same name.
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
