"""A command line read; what is wrong with it, in one line that names it and the remedy.

The parser refuses; then the arguments are read once more, more plainly, for the first
fault to tell of.
"""

import contextlib
import dataclasses
import difflib
import io
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

import tyro

from ..data.arrays import InputError


@dataclasses.dataclass(frozen=True)
class Option:
    """An argument of a command: `names` as typed, none if it is told by its place.

    `kind` is the type of a value, `choices` the values of a Literal, `many` whether it
    takes any number of them; `group` is shared by those that exclude each other.
    """

    names: tuple[str, ...]
    shown: str
    kind: type
    choices: tuple[str, ...]
    many: bool
    needed: bool
    group: typing.Any

    def __str__(self) -> str:
        value = "" if self.kind is bool else self.shown
        return " ".join(filter(None, [*self.names[:1], value]))


def parse(options: type, name: str, argv: Sequence[str]):
    """The `options` of command `name`; `InputError` in a line where they do not parse."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            prog = f"jfacemap {name}"
            return tyro.cli(options, prog=prog, description="", args=list(argv))
    except SystemExit as stop:
        if not stop.code:  # it has shown the help
            raise
        fault = next(_faults(list(read_options(options)), argv), None)
        fault = fault or " ".join(said.getvalue().translate(_frame).split())
        raise InputError(f"{fault} See jfacemap {name} --help") from None


_numbers = {int: "N", float: "NUMBER"}
_frame = dict.fromkeys(map(ord, "╭╮╰╯│─"), " ")


def read_options(options: type) -> Iterator[Option]:
    """The arguments that the fields of a dataclass describe."""
    hints = typing.get_type_hints(options, include_extras=True)
    for field in dataclasses.fields(options):
        hint, extras = hints[field.name], ()
        if typing.get_origin(hint) is typing.Annotated:
            hint, *extras = typing.get_args(hint)
        kinds = [k for k in typing.get_args(hint) if k not in (type(None), ...)]
        choices = tuple(kinds) if typing.get_origin(hint) is typing.Literal else ()
        if not choices and len(kinds) == 1:  # of X | None and of tuple[X, ...]
            (hint,) = kinds
        many = "tuple" in str(hints[field.name])
        kind = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint
        if typing.get_origin(kind) is typing.Literal:
            choices = typing.get_args(kind)
        group = next((e for e in extras if hasattr(e, "required")), None)
        told = next((e for e in extras if hasattr(e, "metavar")), None)
        names = ("--" + field.name.replace("_", "-"),)
        if kind is bool and tyro.conf.FlagCreatePairsOff not in extras:
            names += (names[0].replace("--", "--no-", 1),)
        yield Option(
            names=()
            if tyro.conf.Positional in extras
            else ((told and told.aliases) or ()) + names,
            shown=(told and told.metavar) or _numbers.get(kind, field.name.upper()),
            kind=str if choices or not isinstance(kind, type) else kind,
            choices=choices,
            many=many,
            needed=field.default is dataclasses.MISSING,
            group=group,
        )


def _faults(options: Sequence[Option], argv: Sequence[str]) -> Iterator[str]:
    """What is wrong, the first first: names, then values, then what lacks or conflicts."""
    by_name = {name: option for option in options for name in option.names}
    for word in _before_end(argv):
        if _is_name(word) and _key(word) not in by_name:
            close = difflib.get_close_matches(_key(word), by_name, n=1)
            hint = f"; did you mean {close[0]}?" if close else "."
            yield f"unknown option {word.partition('=')[0]}{hint}"
    places = [option for option in options if not option.names]
    given: dict[Option, str] = {}
    left, words, open_ended = list(places), list(argv), True
    while words:
        word = words.pop(0)
        if word == "--":
            open_ended = False
        elif open_ended and _is_name(word):
            option, (_, attached, value) = by_name[_key(word)], word.partition("=")
            given.setdefault(option, _key(word))
            values = [value] if attached else _values(option, words, left)
            yield from _value_faults(option, word.partition("=")[0], values)
        elif left:
            option = left[0] if left[0].many else left.pop(0)
            given.setdefault(option, option.shown)
        else:
            wanted = " ".join(map(str, places))
            yield f"unexpected argument {word!r}, after {wanted}."
    yield from _clashes(options, given)


def _before_end(argv: Sequence[str]) -> Sequence[str]:
    return argv[: argv.index("--")] if "--" in argv else argv


def _is_name(word: str) -> bool:
    return word.startswith("-") and word.lstrip("-")[:1].isalpha() and not _is(float, word)


def _key(word: str) -> str:
    return word.partition("=")[0].replace("_", "-")


def _is(kind: type, word: str) -> bool:
    try:
        kind(word)
    except ValueError:
        return False
    return True


def _values(option: Option, words: list[str], left: Sequence[Option]) -> list[str]:
    """Take an option's values off the front of `words`, places yet to fill aside."""
    taken, most = [], 0 if option.kind is bool else len(words) if option.many else 1
    spare = sum(p.needed and not p.many for p in left) if option.many else 0
    while len(taken) < most and len(words) > spare and not _is_name(words[0]):
        taken.append(words.pop(0))
    return taken


def _value_faults(option: Option, name: str, values: list[str]) -> Iterator[str]:
    if option.kind is bool:
        return
    if not values:
        yield f"{name} needs a value: {name} {option.shown}."
    for value in values:
        if option.choices and value not in option.choices:
            hint = difflib.get_close_matches(value, option.choices, n=1)
            meant = f" Did you mean {hint[0]}?" if hint else ""
            yield f"{name} is one of {', '.join(option.choices)}; got {value!r}.{meant}"
        elif option.kind in (int, float) and not _is(option.kind, value):
            number = "whole number" if option.kind is int else "number"
            yield f"{name} takes a {number}; got {value!r}."
        elif option.kind is Path and not value:
            yield f"{name} needs a name: {name} {option.shown}."


def _clashes(options: Sequence[Option], given: dict[Option, str]) -> Iterator[str]:
    lacking = [str(o) for o in options if o.needed and o not in given]
    for group in dict.fromkeys(o.group for o in options if o.group is not None):
        members = [o for o in options if o.group is group]
        names = [given[o] for o in members if o in given]
        if len(names) > 1:
            yield f"{' and '.join(names)} exclude each other: give one."
        if group.required and not names:
            lacking.append(" or ".join(map(str, members)))
    if lacking:
        yield f"missing {', and '.join(lacking)}."
