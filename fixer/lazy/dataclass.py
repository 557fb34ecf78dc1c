"""`@dataclass(frozen=True, slots=True)` with lazy compilation, for a program that starts for every run.

The standard decorator compiles half a dozen methods as text for each class: a third of a millisecond, more than a
hundred times before a diagnosis starts, mostly for classes that the run never instantiates. Here equality, hash and
repr are closures, and `__init__` is compiled once a class has made some instances: to compile takes as long as forty
without it, and most classes of a run make fewer. `__dataclass_fields__` (for `fields`, `replace`,
`asdict` and `is_dataclass`) comes from the standard decorator on access. A type checker sees the standard decorator."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from fixer.lazy.lazy_imports import lazy_imports

with lazy_imports():
    import dataclasses  # with inspect and its imports 8 ms: most runs never need it

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:

    def dataclass(*, slots: bool, frozen: bool = False):
        """Return the decorator, for classes with slots that inherit from none of them."""
        assert slots, "what this makes has slots"
        return lambda cls: _make_class(cls, frozen)

    def field(**asked):
        """Return the options of a field: `default` or `default_factory`, `metadata`."""
        return _FieldOptions(asked)

    def replace(made, /, **changes):
        """Return a copy with other values."""
        cls = made.__class__
        copier = _copiers.get(cls) or _count_copy(cls)
        if copier is not None and cls.__dict__.keys() >= changes.keys():
            return copier(made, changes)
        for name in cls.__match_args__:
            if name not in changes:
                changes[name] = getattr(made, name)
        return cls(**changes)


__all__ = ["dataclass", "field", "replace"]

_MISSING = object()
_CLASS: Any = object.__dict__["__class__"]     # sets the class of an object whose own `__setattr__` refuses
_PLAIN_INSTANCES = 16     # made before `__init__` is compiled, and copies before a copier is
_copies: dict[type, int] = {}
_copiers: dict[type, Callable[[Any, dict[str, Any]], Any]] = {}


class _FieldOptions:
    """The arguments of a `field(…)`; the standard object is created when fields are read."""

    __slots__ = ("words",)

    def __init__(self, words: dict[str, Any]) -> None:
        self.words = words


def _make_class(cls: type, frozen: bool) -> type:
    body = dict(cls.__dict__)
    names = tuple(cls.__annotations__)
    defaults = {name: body.pop(name) for name in names if name in body}
    for leftover in ("__dict__", "__weakref__"):
        body.pop(leftover, None)
    methods = {
        **_methods(names, frozen), **body, "__slots__": names, "__match_args__": names,
        "__init__": _lazy_init(names, defaults), "__dataclass_fields__": _Fields(cls, {**body, **defaults}),
    }
    made: type = type(cls)(cls.__name__, cls.__bases__, methods)
    made.__qualname__ = cls.__qualname__
    return made


class _Fields:
    """`__dataclass_fields__` of a class, computed by the standard decorator on access."""

    def __init__(self, cls: type, body: dict[str, Any]) -> None:
        self._cls = cls
        self._body = body

    def __get__(self, instance: object, owner: Any) -> dict[str, dataclasses.Field[Any]]:
        body = {n: dataclasses.field(**v.words) if isinstance(v, _FieldOptions) else v for n, v in self._body.items()}
        twin: Any = dataclasses.dataclass(type(self._cls)(self._cls.__name__, self._cls.__bases__, body))
        known: dict[str, dataclasses.Field[Any]] = twin.__dataclass_fields__
        owner.__dataclass_fields__ = known
        return known


def _lazy_init(names: tuple[str, ...], defaults: dict[str, Any]) -> Callable[..., None]:
    """Return an `__init__` that replaces itself by the compiled one after some instances, or at a call which only that
    one can judge."""
    left = _PLAIN_INSTANCES

    def first(self: Any, *args: Any, **named: Any) -> None:
        nonlocal left
        left -= 1
        if left >= 0 and _set_plainly(self, names, defaults, args, named):
            return
        compiled = _compiled_init(type(self), names, defaults)
        type(self).__init__ = compiled
        compiled(self, *args, **named)

    return first


def _set_plainly(self: Any, names: tuple[str, ...], defaults: dict[str, Any], args: tuple[Any, ...],
                 named: dict[str, Any]) -> bool:
    """Set every slot from the arguments and the defaults, one by one. Return False if the call names a field twice,
    misses one, or names none of ours: the compiled `__init__` sets all again and says what is wrong."""
    if len(args) > len(names):
        return False
    values = dict(zip(names, args, strict=False))
    if not values.keys().isdisjoint(named) or not named.keys() <= set(names):
        return False
    values |= named
    slots = type(self).__dict__
    for name in names:
        value = values.get(name, _MISSING)
        if value is _MISSING:
            value, factory = _default(defaults, name)
            if factory is not _MISSING:
                value = factory()
            elif value is _MISSING:
                return False
        slots[name].__set__(self, value)
    return True


def _compiled_init(cls: type, names: tuple[str, ...], defaults: dict[str, Any]) -> Callable[..., None]:
    """Return the compiled `__init__`. While it runs, the object is of a class with the same slots that may be set: an
    assignment is twice as fast as a call of the slot past the frozen `__setattr__`."""
    scope: dict[str, Any] = {"_missing": _MISSING, **_open_scope(cls, names)}
    parameters, lines = "self", " _turn_into(self, _open)\n"
    for name in names:
        default, factory = _default(defaults, name)
        parameters += f", {name}"
        value = name
        if factory is not _MISSING:
            scope[f"_new_{name}"] = factory
            parameters += "=_missing"
            value = f"_new_{name}() if {name} is _missing else {name}"
        elif default is not _MISSING:
            scope[f"_default_{name}"] = default
            parameters += f"=_default_{name}"
        lines += f" self.{name} = {value}\n"
    exec(f"def __init__({parameters}):\n{lines} self.__class__ = _own\n", scope)  # noqa: S102  only field names
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _open_scope(cls: type, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what code needs that sets slots: the class itself, one with the same slots, and the way from one to the
    other."""
    body = {"__slots__": names, "__orig_bases__": getattr(cls, "__orig_bases__", cls.__bases__)}     # for Generic
    return {"_own": cls, "_open": type(cls)(cls.__name__, cls.__bases__, body), "_turn_into": _CLASS.__set__}


def _count_copy(cls: type) -> Callable[[Any, dict[str, Any]], Any] | None:
    """Return the compiled copier of a class that has been copied some times, else None."""
    number = _copies[cls] = _copies.get(cls, 0) + 1
    if number <= _PLAIN_INSTANCES:
        return None
    names: tuple[str, ...] = cls.__match_args__  # type: ignore[attr-defined]
    scope = {**_open_scope(cls, names), "_new": object.__new__}
    lines = "".join(f" made.{name} = old.{name}\n" for name in names)
    exec(f"def copier(old, changes):\n made = _new(_own)\n _turn_into(made, _open)\n{lines}"  # noqa: S102  only names
         " for name, value in changes.items(): setattr(made, name, value)\n made.__class__ = _own\n return made\n",
         scope)
    made: Callable[[Any, dict[str, Any]], Any] = scope["copier"]
    _copiers[cls] = made
    return made


def _default(defaults: dict[str, Any], name: str) -> tuple[Any, Any]:
    """Return the default and the factory of a field, _MISSING if there is none."""
    given = defaults.get(name, _MISSING)
    if isinstance(given, _FieldOptions):
        return given.words.get("default", _MISSING), given.words.get("default_factory", _MISSING)
    assert not hasattr(given, "default_factory"), f"{name}: field() of this module, not of dataclasses"
    return given, _MISSING


def _methods(names: tuple[str, ...], frozen: bool) -> dict[str, Any]:
    """Return the methods of such a class: equal by value, hashable if frozen, repr as source."""
    values: Callable[[object], Any] = attrgetter(*names) if names else _no_values

    def equal(self: object, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(values(self))

    def shown(self: object) -> str:
        words = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({words})"

    def reduced(self: object) -> tuple[Any, ...]:
        return self.__class__, tuple(getattr(self, name) for name in names)

    methods: dict[str, Any] = {"__eq__": equal, "__repr__": shown, "__reduce__": reduced}
    if not frozen:
        return {**methods, "__hash__": None}
    return {**methods, "__hash__": hashed, "__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}


def _no_values(_: object) -> tuple[()]:
    return ()


def _refuse_to_set(_: object, name: str, __: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
