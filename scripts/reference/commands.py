"""The page of the command line, made from the parsers of the commands."""

import argparse
from collections.abc import Iterator

from tallymark.cli.lazy_parser import LazyParser
from tallymark.cli.main import COMMANDS, _load, _parser

from .markdown import page, table


def command_page() -> str:
    """Return every command with its arguments and flags."""
    text = [
        "# Commands",
        "",
        "`tallymark COMMAND --help` prints the same. A command ends with status 0, with 1 if what it",
        "found is bad, and with 2 after an error, which is one line that says what to do. It is 3 if",
        "another server has the data folder, and 130 after Ctrl-C in a load; Ctrl-C is how a `follow` ends,",
        "with 0.",
        "",
        table(("command", "what it does"), [(link(name), one) for name, one in COMMANDS.items()]),
    ]
    for name in COMMANDS:
        for parser in leaves(parser_of(name)):
            text += ["", f"## {parser.prog}", "", described(parser)]
    return page(text)


def link(name: str) -> str:
    """Return a command as a link to its first section."""
    first = next(leaves(parser_of(name)))
    return f"[`tallymark {name}`](#{first.prog.replace(' ', '-')})"


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    return choices(_parser(_load(name)))[name]


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser, or those of its sub-commands if it has any."""
    if isinstance(parser, LazyParser):
        parser.complete()
    below = choices(parser)
    if not below:
        yield parser
    for one in below.values():
        yield from leaves(one)


def choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the sub-commands of a parser, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def described(parser: argparse.ArgumentParser) -> str:
    """Return what a command does, and its arguments and flags."""
    actions = [one for one in parser._actions if one.dest != "help"]
    rows = [(f"`{written(one)}`", meaning(one)) for one in actions if one.help != argparse.SUPPRESS]
    return f"{parser.description or ''}\n\n{table(('argument', 'meaning'), rows)}".strip()


def written(action: argparse.Action) -> str:
    """Return an argument as one writes it."""
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if action.choices and not action.metavar:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    return " ".join([", ".join(action.option_strings), str(value)]).strip()


def meaning(action: argparse.Action) -> str:
    """Return the help of an argument, its slots filled as argparse does."""
    return (action.help or "") % vars(action)
