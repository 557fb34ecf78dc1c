"""Our `dataclass` keeps the contract of the standard one, which is built here from the same words beside it."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass, replace
from typing import Any, Generic, TypeVar

import pytest

from fixer.lazy import dataclass as lazy_dataclass
from fixer.lazy.dataclass import dataclass, field

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """A point."""

    x: int
    y: int = 2
    names: tuple[str, ...] = field(default=(), metadata={"shown": "never"})

    @property
    def sum(self) -> int:
        """Both."""
        return self.x + self.y


@dataclass(slots=True)
class Basket:
    """Mutable."""

    owner: str
    things: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Empty:
    """No field."""


@dataclass(frozen=True, slots=True)
class Box(Generic[T]):
    """Of one field, generic, told in its own words."""

    value: T

    def __repr__(self) -> str:
        return f"<{self.value}>"


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    """What Point must behave like."""

    x: int
    y: int = 2
    names: tuple[str, ...] = dataclasses.field(default=(), metadata={"shown": "never"})


def test_many_copies_are_as_the_first() -> None:
    """A copier is compiled after some."""
    old = Point(1, names=("a",))
    for number in range(lazy_dataclass._PLAIN_INSTANCES + 3):
        made = lazy_dataclass.replace(old, y=number)
        assert type(made) is Point and (made.x, made.y, made.names) == (1, number, ("a",)) and old.y == 2
        with pytest.raises(FrozenInstanceError):
            made.y = 5  # type: ignore[misc]
        with pytest.raises(TypeError):
            lazy_dataclass.replace(old, z=number)  # type: ignore[call-arg]
        assert lazy_dataclass.replace(Basket("a", ["b"]), owner="c") == Basket("c", ["b"])


@pytest.mark.parametrize("make", [lambda: Point(1), lambda: Box("a"), Empty], ids=["plain", "generic", "empty"])
def test_many_instances_are_of_their_class_and_stay_frozen(make: Callable[[], object]) -> None:
    """The compiled `__init__` sets them while they are of another class with the same slots."""
    for _ in range(lazy_dataclass._PLAIN_INSTANCES + 2):
        made = make()
    assert type(made) is type(make()) and made == make() and hash(made) == hash(make())
    with pytest.raises(FrozenInstanceError):
        made.x = 3  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError):
        del made.x  # type: ignore[attr-defined]
    assert copy.copy(made) == pickle.loads(pickle.dumps(made)) == made


def test_equal_hashed_and_shown_by_value() -> None:
    assert Point(1) == Point(1, 2, ()) == Point(x=1, names=())
    assert Point(1) != Point(2)
    assert Point(1) != Standard(1)
    assert len({Point(1), Point(1), Point(1, 3)}) == 2
    assert repr(Point(1)) == repr(Standard(1)).replace("Standard", "Point")
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())
    assert repr(Empty()) == "Empty()"
    assert repr(Box([1])) == "<[1]>"


def test_frozen_and_without_other_attributes() -> None:
    point: Any = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 3
    with pytest.raises(FrozenInstanceError):
        del point.x
    with pytest.raises(FrozenInstanceError):
        point.z = 3
    assert not hasattr(point, "__dict__")
    assert point.sum == 3


def test_mutable_ones_change_and_are_no_keys() -> None:
    first, second = Basket("a"), Basket("a")
    first.things.append("nail")
    assert second.things == []
    first.owner = "b"
    assert first == Basket("b", ["nail"])
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)
    with pytest.raises(AttributeError):
        first.other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("call", [lambda kind: kind(), lambda kind: kind(1, 2, (), 4), lambda kind: kind(1, z=3)])
def test_wrong_arguments_are_refused_the_first_time_and_later(call: Callable[[Any], object]) -> None:
    for _ in range(2):
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            call(Point)


def test_the_tools_of_dataclasses_work() -> None:
    assert is_dataclass(Point)
    assert is_dataclass(Empty())
    ours, standard = fields(Point), fields(Standard)
    assert [(f.name, f.type, f.default, dict(f.metadata)) for f in ours] == [
        (f.name, f.type, f.default, dict(f.metadata)) for f in standard
    ]
    assert replace(Point(1), y=5) == Point(1, 5)
    assert asdict(Basket("a", ["nail"])) == {"owner": "a", "things": ["nail"]}
    assert fields(Box)[0].name == "value"


def test_replaced_as_by_the_standard_tool() -> None:
    point = Point(1, names=("a",))
    assert lazy_dataclass.replace(point, y=5) == replace(point, y=5) == Point(1, 5, ("a",))
    assert lazy_dataclass.replace(Empty()) == Empty()
    with pytest.raises(TypeError):
        lazy_dataclass.replace(point, z=1)


def test_a_field_of_the_standard_library_is_refused() -> None:
    @dataclass(slots=True)
    class Wrong:
        things: list[str] = dataclasses.field(default_factory=list)

    with pytest.raises(AssertionError, match="things"):
        Wrong()


def test_matched_by_position_copied_and_pickled() -> None:
    match Point(1, 7):
        case Point(x, y):
            assert (x, y) == (1, 7)
    point = Point(1, 7, ("a",))
    assert copy.copy(point) == point
    assert copy.deepcopy(point) == point
    assert pickle.loads(pickle.dumps(point)) == point


def test_every_instance_is_alike_before_and_after_init_is_compiled() -> None:
    @dataclass(frozen=True, slots=True)
    class Pair:
        one: int
        two: list[int] = field(default_factory=list)
        three: int = 3

    made = [make() for _ in range(20) for make in (lambda: Pair(1), lambda: Pair(one=1, two=[]), lambda: Pair(1, [], 3))]
    assert len({id(pair.two) for pair in made}) == len(made), "no list is shared"
    assert all(pair == made[0] for pair in made)


@pytest.mark.parametrize(("args", "named"), [
    ((), {}), ((1, 2, (), 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1}),
])
def test_a_wrong_call_fails_as_with_the_standard_decorator(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    @dataclass(frozen=True, slots=True)
    class Fresh:        # none was made yet: its `__init__` is not compiled
        x: int
        y: int = 2
        names: tuple[str, ...] = ()

    with pytest.raises(TypeError) as ours:
        Fresh(*args, **named)
    with pytest.raises(TypeError) as standard:
        Standard(*args, **named)
    said = str(standard.value).partition(".__init__()")[2]
    assert said and str(ours.value).endswith(said)
