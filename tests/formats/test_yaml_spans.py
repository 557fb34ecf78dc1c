"""The YAML of compose files: every way to write the same thing, with the bytes where it stands."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixer.formats.yaml_spans import DEEPEST, Map, Node, Scalar, Seq, line_of, parse_yaml


def plain(node: Node | None) -> object:
    if isinstance(node, Map):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node, Seq):
        return [plain(item) for item in node.items]
    return node.text if node is not None else None


@pytest.mark.parametrize(("text", "value"), [
    ("a: 1\nb:\n  c: x y  # note\n", {"a": "1", "b": {"c": "x y"}}),
    ("a:\n- 1\n- b: 2\n  c: 3\n- - x\n", {"a": ["1", {"b": "2", "c": "3"}, ["x"]]}),
    ("a:\n  - 1\n\n  # why\n  - 2\n", {"a": ["1", "2"]}),
    ("a: [x, 'y, z', \"w\\n\", {k: v, q}]\n", {"a": ["x", "y, z", "w\n", {"k": "v", "q": None}]}),
    ("a: [x,\n  y]   # c\nb: 1", {"a": ["x", "y"], "b": "1"}),
    ("a: {x: 1, \"y\": '2', z: }\n", {"a": {"x": "1", "y": "2", "z": ""}}),
    ("a: |\n  one\n  two\nb: 1", {"a": "one\ntwo", "b": "1"}), ("a: >-\n  one\n\n  two\n", {"a": "one  two"}),
    ("a: one\n  two\nb: 1", {"a": "one two", "b": "1"}), ("a: 'it''s'\n\"b c\": 2", {"a": "it's", "b c": "2"}),
    ("---\na: 1\n---\nb: 2\n", {"a": "1"}), ("%YAML 1.2\n---\na: 1\n...\nb: 1\n", {"a": "1"}),
    ("a: http://x:80/y#z\nb:c: 1\n", {"a": "http://x:80/y#z", "b:c": "1"}), ("a: !!str 5\nb: &n 6\nc: *n\n", {"a": "5", "b": "6", "c": "6"}),
    ("- a\n- b\n", ["a", "b"]), ("just text", "just text"), ("", None), ("# only\n\n", None), ("a: \"open\nb: 1", {"a": "open\nb: 1"}),
    ("a:\r\n  b: 1\r\n", {"a": {"b": "1"}}), ("a:\n  b\n", {"a": "b"}), ("a: *gone\n", {"a": None}), ("a: []\nb: {}\n", {"a": [], "b": {}}),
    ("-\n  a: 1\n", [{"a": "1"}]), ("a: [*gone, [b]]\n", {"a": [None, ["b"]]}), ("a: [b\n", {"a": ["b"]}),
])
def test_ways_to_write(text: str, value: object) -> None:
    assert plain(parse_yaml(text.encode())) == value


def test_merges() -> None:
    root = parse_yaml(b"x: &x\n  a: 1\n  b: 2\ny: &y {c: 3}\nz:\n  <<: [*x, *y]\n  b: 9\nw:\n  <<: *x\n")
    assert isinstance(root, Map)
    z, w = root.get("z"), root.get("w")
    assert isinstance(z, Map) and isinstance(w, Map)
    assert [plain(z.get(k)) for k in "abcd"] == ["1", "9", "3", None] and plain(w.get("a")) == "1"


def test_places() -> None:
    data = b"s:\n  cmd: [\"a\", 'b']\n  env:\n    K: v   # c\n    Q: \"x y\"\n  last: z\n"
    root = parse_yaml(data)
    assert isinstance(root, Map)
    s = root.get("s")
    assert isinstance(s, Map) and s.indent == 2
    cmd, env = s.get("cmd"), s.get("env")
    assert isinstance(cmd, Seq) and cmd.flow and isinstance(env, Map) and not env.flow
    assert [data[i.start : i.end] for i in cmd.items if isinstance(i, Scalar)] == [b"a", b"b"]
    assert data[: env.end].endswith(b'Q: "x y"') and data[: s.end].endswith(b"last: z") and data[: cmd.end].endswith(b"'b']")


@given(st.text(alphabet="ab:- \n\"'[]{},#&*|>!\t", max_size=60))
def test_any_text_is_read_and_places_are_true(text: str) -> None:
    data = text.encode("latin-1")

    def check(node: Node | None, depth: int = 0) -> None:
        if isinstance(node, Scalar) and node.exact and node.style == "plain" and node.end > node.start:
            assert data[node.start : node.end].decode("latin-1") == node.text
        if depth < 50 and isinstance(node, Map):
            for _, value in node.entries:
                check(value, depth + 1)
        if depth < 50 and isinstance(node, Seq):
            for item in node.items:
                check(item, depth + 1)

    check(parse_yaml(data))


def nodes_of(node: Node | None, depth: int = 0) -> list[tuple[Node, int]]:
    """Every node below, with its depth; what an alias names twice is there twice."""
    if node is None or depth > 60:
        return []
    below = [item for _, item in node.entries] if isinstance(node, Map) else node.items if isinstance(node, Seq) else ()
    return [(node, depth), *(pair for item in below for pair in nodes_of(item, depth + 1))]


@given(st.binary(max_size=60))
def test_any_bytes_are_read(data: bytes) -> None:
    for node, _ in nodes_of(parse_yaml(data)):
        assert 0 <= node.start <= node.end <= len(data)


@pytest.mark.parametrize("data", [b"[" * 5000, b"{a: " * 5000, b"- " * 5000, b"a:\n" + b" " * 50 + b"b:\n" * 9,
                                  b"".join(b" " * i + b"a:\n" for i in range(400))])
def test_depth_is_bounded(data: bytes) -> None:
    found = nodes_of(parse_yaml(data))
    assert found and max(depth for _, depth in found) <= DEEPEST + 2


def test_very_many_variables_cost_their_length() -> None:
    """Each has its line: counted from the top for every one of them it cost minutes."""
    data = b"x: y\n" * 400_000
    began = time.process_time()
    assert [line_of(data, at) for at in range(0, len(data), 5)] == list(range(1, 400_001))
    assert time.process_time() - began < 10
