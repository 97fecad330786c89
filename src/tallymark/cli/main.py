"""The ``tallymark`` command: finds the command asked for and runs it; errors are one line.

Only the module of that command is imported, so that ``--help`` answers at once.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, cast

from tallymark import __version__
from tallymark.core.errors import NotFound, TallymarkError
from tallymark.core.registry import did_you_mean
from tallymark.core.structs import learn

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

COMMANDS: Final[Mapping[str, str]] = {
    "demo": "Make a sample history, print the first answers and serve it.",
    "serve": "Run the server: it collects events and answers questions.",
    "load": "Load events from access logs, CSV, JSON lines or Parquet files.",
    "follow": "Send what goes on as it goes on: access logs, StatsD, MQTT, NetFlow, folders.",
    "ask": "Ask a question and print the answer as a table, JSON or CSV.",
    "sql": "Ask in SQL, with one SELECT over events, people, sessions and accounts.",
    "explain": "Tell what makes two answers to a question differ, cause by cause.",
    "who": "Tell everything known of one person, or of one group.",
    "consent": "Prove what one person agreed to: when, how, and what of it holds.",
    "identity": "List what was linked and refused; link ids, or take a link back.",
    "keys": "List, create, revoke and rotate the keys of a project.",
    "users": "List, add and disable the people who may sign in, and what each may do.",
    "sites": "List, add and remove the names by which clients of other tools call a project.",
    "plan": "Check, compare and push the tracking plan, and make code and first drafts of it.",
    "apply": "Make files of events, cohorts, metrics and saved questions hold, or tell what they would change.",
    "failed": "List, repair, replay and dismiss events that could not be counted.",
    "doctor": "Check that everything works, and say how to mend what does not.",
    "backup": "Write a consistent copy of everything while it is served.",
    "restore": "Make a new data folder from a backup.",
    "verify": "Check log, store and ledger against each other.",
}
_MODULES: Final = {"restore": "backup", "verify": "backup"}
_STATUS: Final = {"DATA_DIR_IN_USE": 3}
_EXAMPLES: Final = """\
examples:
  tallymark demo                                   look around in a sample history
  tallymark serve                                  start on http://127.0.0.1:8410
  tallymark load access-log access.log             count what a web server wrote down
  tallymark follow access-log access.log           go on counting while it is written
  tallymark ask trends --event signup --last 30d --breakdown channel
  tallymark ask trends --measure p95:duration_ms --filter 'route = /v1/reports' --csv
  tallymark backup /backups/monday

`tallymark COMMAND --help` says more of each."""


class Command(Protocol):
    """What a module of a command gives."""

    def add_parser(self, subparsers: Subparsers) -> Any:
        """Add the command, its flags and help."""

    def run(self, args: argparse.Namespace) -> int | None:
        """Do it; return the exit status, None for success."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 is success, 1 bad news, 2 an error, 3 that another server has the data folder.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no sparklines gets question marks, not a crash.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return _main(arguments)
    except TallymarkError as error:
        print(f"tallymark: {error.message} {error.hint}".rstrip(), file=sys.stderr)
        return _STATUS.get(error.code, 2)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain of it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _main(arguments: list[str]) -> int:
    name = arguments[0] if arguments else None
    if name is not None and not name.startswith("-") and name not in COMMANDS:
        raise NotFound(
            f"There is no command {name!r}.",
            hint=did_you_mean(name, COMMANDS) or "Run: tallymark --help",
        )
    if name == "ask" and arguments[1:2] and arguments[1].startswith("@"):
        arguments = ["ask", "saved", arguments[1][1:], *arguments[2:]]
    command = _load(name) if name in COMMANDS else None
    parser = _parser(command)
    if command is None:
        parser.parse_args(arguments)
        parser.print_help()
        return 0
    learn()
    return command.run(parser.parse_args(arguments)) or 0


def _load(name: str | None) -> Command:
    module = _MODULES.get(name or "", name)
    return cast("Command", importlib.import_module(f"tallymark.cli.{module}"))


def _parser(command: Command | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tallymark",
        description="Tallymark records every use once, durably, and answers every question from it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tallymark {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    if command is not None:
        command.add_parser(subparsers)
        return parser
    add: Callable[..., Any] = subparsers.add_parser
    for name, sentence in COMMANDS.items():
        add(name, help=sentence)
    return parser
