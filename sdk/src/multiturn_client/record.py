"""Something that the server tells: an object whose fields have types.

Times are aware, in UTC. Fields of a newer server that this client does not know are kept: they can be read as
attributes, and stand in ``extra``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from types import MappingProxyType, UnionType
from typing import TYPE_CHECKING, Any, Self, Union, get_args, get_origin, get_type_hints

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Record:
    """Something that the server told.

    >>> run = client.runs.get(session.ask("Hello").run_id)
    >>> run.object, run.extra["object"]
    ('run', 'run')
    """

    @property
    def extra(self) -> Mapping[str, Any]:
        """The fields that this client does not know, by name.

        >>> client.sessions.get(session.id).extra["object"]
        'session'
        """
        found: Mapping[str, Any] = self.__dict__.get("_extra", NOTHING)
        return found

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Make one of a JSON object; fields that are missing have their defaults.

        >>> Usage.read({"input_tokens": 7, "output_tokens": 2, "spent": "little"}).spent
        'little'
        """
        named: Any = cls
        types = find_types(named)
        record = cls(**{name: read_value(types[name], value) for name, value in body.items() if name in types})
        record.__dict__["_extra"] = {name: value for name, value in body.items() if name not in types}
        return record

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or name not in self.extra:
                raise AttributeError(f"{type(self).__name__} has no '{name}'")
            return self.extra[name]


@cache
def find_types(class_: Any) -> dict[str, Any]:
    """The types of a record's fields by name; those that only the client sets have a name with an underscore."""
    hints = get_type_hints(class_)

    return {one.name: hints[one.name] for one in fields(class_) if not one.name.startswith("_")}


def read_value(type_: Any, value: Any) -> Any:
    """A JSON value as a field's type says; what does not fit it stays as it came."""
    if value is None:
        return None
    if get_origin(type_) in (Union, UnionType):
        chosen = [one for one in get_args(type_) if one is not type(None)]
        return read_value(chosen[0], value) if len(chosen) == 1 else value
    if get_origin(type_) is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(read_value(get_args(type_)[0], one) for one in value)
    if type_ is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(type_, type) and issubclass(type_, Record) and isinstance(value, Mapping):
        return type_.read(value)
    return value
