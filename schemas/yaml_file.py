"""YAML with line numbers, and errors that a person who writes YAML can act on."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[Hashable, ...]
# libyaml, many times faster than PyYAML, ends the process on some ten thousand levels; a short text has fewer
DEEPEST, SHORT = 50, 10_000


class ContractError(Exception):
    """A YAML file of contracts is wrong; the message names file, line and key."""


class Strict(BaseModel):
    """What stands in a YAML file of contracts: a key that is not known is a mistake, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _TextLoader(yaml.CSafeLoader):
    """Every plain scalar is text, except null.

    YAML 1.1 would turn `no` into false, `012` into ten and `2016-07-01` into a date; in a layout these are values of
    somebody's file. The models convert where a number is meant.
    """


_TextLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path: Path) -> tuple[Any, dict[Loc, int]]:
    """Read a YAML file as text scalars.

    Returns:
        The content, and the line (from 1) of every key and item by its path in the content.

    Raises:
        ContractError: not UTF-8, not YAML, or a key twice in one mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > SHORT:
            _refuse_depth(text, path)
        loader = _TextLoader(text)
        node = loader.get_single_node()
        lines: dict[Loc, int] = {(): 1}
        if node is not None:
            _walk(node, (), lines, path)
        return (None if node is None else loader.construct_document(node)), lines
    except UnicodeDecodeError:
        raise ContractError(f"{path.name}: is not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise ContractError(
            f"{path.name}: is nested too deeply, or an anchor stands for something that holds itself"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line + 1) if error.problem_mark else 1
        raise ContractError(f"{path.name}, line {line}: is not valid YAML: {error.problem}") from None
    except yaml.YAMLError:
        raise ContractError(
            f"{path.name}: holds characters that YAML does not allow; save it as plain UTF-8 text"
        ) from None


def load_model(path: Path, model: type[Model]) -> tuple[Model, dict[Loc, int]]:
    """Read a YAML file into a pydantic model; gives its lines as `load` does.

    Raises:
        ContractError: the file does not fit the model; one line per fault, each with line and key.
    """
    content, lines = load(path)
    try:
        return model.model_validate(content), lines
    except ValidationError as error:
        raise ContractError("\n".join(_fault(path, fault, lines) for fault in error.errors())) from None


def line_of(loc: Loc, lines: dict[Loc, int]) -> int:
    """The line of a place in the content, or of the nearest place around it."""
    while loc not in lines:
        loc = loc[:-1]
    return lines[loc]


def _refuse_depth(text: str, path: Path) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_TextLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ContractError(f"{path.name}: is nested too deeply, over {DEEPEST} levels")


def _walk(node: yaml.Node, loc: Loc, lines: dict[Loc, int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key.value, str):
                raise ContractError(f"{path.name}, line {key.start_mark.line + 1}: a key must be a word")
            if key.value in seen:
                raise ContractError(f"{path.name}, line {key.start_mark.line + 1}: key {key.value!r} stands twice")
            seen.add(key.value)
            lines[(*loc, key.value)] = key.start_mark.line + 1
            _walk(value, (*loc, key.value), lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*loc, index)] = item.start_mark.line + 1
            _walk(item, (*loc, index), lines, path)


def _fault(path: Path, fault: Any, lines: dict[Loc, int]) -> str:
    # pydantic puts the names of union members into the location; only what stands in the file helps its author
    known: Loc = ()
    for step in fault["loc"]:
        if (*known, step) in lines:
            known = (*known, step)
    missing = fault["type"] == "missing"
    key = ".".join(map(str, (*known, fault["loc"][-1]) if missing else known)) or "the file"
    message = {
        "missing": "is missing",
        "extra_forbidden": "is not a key that is known here",
        "union_tag_not_found": f"lacks the key {fault.get('ctx', {}).get('discriminator', '')}, which says what it is",
        "tuple_type": "is a list; write it in square brackets",
    }.get(fault["type"], fault["msg"].removeprefix("Value error, "))
    return f"{path.name}, line {line_of(known, lines)}: {key}: {message}"
