"""Settings as plain data, and the key by which a run is recognised."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..checks import check_list, shown, single

Setting = dict[str, Any]


def grid(**axes: Iterable[Any]) -> list[Setting]:
    """All combinations of the values of the axes, the last one changing fastest.

    ``grid(width=[64, 256], seed=range(3))`` has six settings. Raises ``TypeError`` for an axis
    that is no list of values, ``ValueError`` for one without values.
    """
    lists = {name: _values(name, values) for name, values in axes.items()}
    for name, found in lists.items():
        if not found:
            raise ValueError(f"{name} must have at least one value, got none")
    return [dict(zip(lists, cells, strict=True)) for cells in itertools.product(*lists.values())]


def _values(name: str, values: object) -> list[Any]:
    if not isinstance(values, Mapping):
        with contextlib.suppress(TypeError):
            return check_list(name, values)
    text = shown(values)
    raise TypeError(f"{name} must be a list of values, got {text}; write [{text}]")


def plain(value: object, where: str, *, nan: bool = False) -> Any:
    """``value`` as data that JSON keeps; numbers of numpy and torch become Python's.

    NaN is refused, or becomes the float nan where it is allowed. Raises ``TypeError`` and
    ``ValueError``, saying ``where`` the value stood.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} must have texts as names, got {key!r}")
        return {key: plain(value[key], f"{where}[{key!r}]", nan=nan) for key in value}
    if isinstance(value, list | tuple):
        return [plain(entry, f"{where}[{i}]", nan=nan) for i, entry in enumerate(value)]
    number = single(value)
    if isinstance(number, bool | int):
        return number
    if not isinstance(number, float):
        raise TypeError(
            f"{where} must be plain data (numbers, texts, None, lists and dicts of them), got "
            f"{type(value).__name__}; hand over what it is made from, say its seed or its path"
        )
    if math.isnan(number) and not nan:
        raise ValueError(f"{where} must be a number, got nan")
    return number


def check_settings(settings: object) -> list[Setting]:
    """The settings as dicts of plain data. Raises for anything else, and for none at all."""
    if isinstance(settings, str | bytes | Mapping) or not isinstance(settings, Iterable):
        raise TypeError(
            f"settings must be a list of dicts, say from grid(...), got {type(settings).__name__}"
        )
    found = []
    for i, setting in enumerate(check_list("settings", settings, " of dicts")):
        if not isinstance(setting, Mapping):
            raise TypeError(f"settings[{i}] must be a dict, got {type(setting).__name__}")
        found.append(plain(setting, f"settings[{i}]"))
    if not found:
        raise ValueError("settings must hold at least one setting, got none")
    return found


def key(setting: Setting) -> str:
    """The same text for equal settings: 1 and 1.0 are equal, the order of names is none."""
    text = json.dumps(_equal(setting), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _equal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _equal(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_equal(entry) for entry in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
