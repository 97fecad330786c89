"""YAML as far as plans need it: plain values, no aliases, no tags, nothing that grows.

Differs from YAML 1.1 where that surprises: ``no`` and ``on`` are text and not truth values, dates are
text, numbers with a point are exact, and a key that stands twice is an error.
"""

import re
from decimal import Decimal
from typing import Any, Final, NoReturn

import yaml
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tallymark.core.errors import Refused

LARGEST_FILE: Final = 256 * 1024
_DEEPEST: Final = 32
_LONGEST_NUMBER: Final = 100
_HALF: Final = re.compile("[\ud800-\udfff]")


def read_yaml(content: bytes, name: str) -> Any:
    """Return what a file holds; ``name`` is for the message. Raises Refused PLAN_INVALID."""
    if len(content) > LARGEST_FILE:
        raise _refused(name, f"it has {len(content):,} bytes, more than {LARGEST_FILE:,}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused(name, "it is not UTF-8 text") from None
    try:
        return _Loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}" if mark else ""
        raise _refused(name, f"{error.problem or error.context}{place}") from None
    except yaml.YAMLError:
        raise _refused(name, "it holds characters that YAML does not allow") from None


def lines_of(content: bytes) -> dict[str, int]:
    """Return the line of each key of a file that ``read_yaml`` reads, such as ``who.members[0].event``."""
    found: dict[str, int] = {}
    root = _Loader(content.decode("utf-8")).get_single_node()
    waiting: list[tuple[str, Node | None]] = [("", root)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, MappingNode):
            for key, value in node.value:
                named = f"{path}.{key.value}" if path else str(key.value)
                found[named] = key.start_mark.line + 1
                waiting.append((named, value))
        elif isinstance(node, SequenceNode):
            for place, value in enumerate(node.value):
                found[f"{path}[{place}]"] = value.start_mark.line + 1
                waiting.append((f"{path}[{place}]", value))
    return found


def write_yaml(value: Any) -> str:
    """Return a value as YAML that ``read_yaml`` gives back."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100,
        default_flow_style=False,
    )  # fmt: skip


class _Loader(yaml.SafeLoader):
    """The safe loader, without everything by which a small file becomes a large value."""

    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            _fail("anchors and aliases are not allowed", event)
        if getattr(event, "tag", None) is not None:
            _fail("tags are not allowed", event)
        self.depth += 1
        if self.depth > _DEEPEST:
            _fail("it is nested too deeply", event)
        node: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise ConstructorError(None, None, "a key is not text", key.start_mark)
            if key.value in seen:
                raise ConstructorError(None, None, f"the key {key.value!r} stands twice", key.start_mark)  # fmt: skip
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """The safe dumper, quoting what the loader above would take for another type."""


def _fail(problem: str, event: Any) -> NoReturn:
    raise ConstructorError(None, None, problem, event.start_mark)


def _refused(name: str, what: str) -> Refused:
    return Refused(
        f"{name}: {what}.",
        code="PLAN_INVALID",
        hint="Write plain YAML: text, numbers, true, false, lists and mappings.",
        path=name,
    )


def _text_of(loader: _Loader, node: ScalarNode) -> str:
    if "\0" in node.value or (not node.value.isprintable() and _HALF.search(node.value)):
        raise ConstructorError(None, None, "text holds NUL or half a character", node.start_mark)
    return str(node.value)


def _integer(loader: _Loader, node: ScalarNode) -> int:
    return int(_short(node))


def _decimal(loader: _Loader, node: ScalarNode) -> Decimal:
    return Decimal(_short(node))


def _short(node: ScalarNode) -> str:
    if len(node.value) > _LONGEST_NUMBER:
        raise ConstructorError(None, None, "a number is too long", node.start_mark)
    return str(node.value)


def _written(dumper: _Dumper, number: Decimal) -> ScalarNode:
    text = format(number, "f")
    kind = "float" if "." in text else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", text)


# Of the types that plain text may mean, only these; each only as JSON or YAML 1.2 write it.
_PLAIN: Final = (
    ("tag:yaml.org,2002:null", r"~|null|", "~n\0"),
    ("tag:yaml.org,2002:bool", r"true|false", "tf"),
    ("tag:yaml.org,2002:int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("tag:yaml.org,2002:float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?", "-0123456789"),
)  # fmt: skip
for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, _text, _first in _PLAIN:
        _firsts = ["" if one == "\0" else one for one in _first]
        _class.add_implicit_resolver(_tag, re.compile(rf"(?:{_text})\Z"), _firsts)
_Loader.add_constructor("tag:yaml.org,2002:str", _text_of)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
_Dumper.add_representer(Decimal, _written)
