"""Configurations larger than a first look reads: asked for whole, and unknown while a part of them was not read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixer.hosts.machine.read_files import answer_glob, answer_tree
from fixer.model.facts import Unknown
from fixer.model.query import Answer, Probe, Query, ReadGlob, ReadTree
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.nginx.nginx_place import MAX_CONFIG_BYTES, MAX_CONFIG_FILES
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, node

TREE = ReadTree("/etc/nginx")
SITE = "server {{ listen 80; server_name {0}; location / {{ proxy_pass http://127.0.0.1:{1}; }} }}\n"


def seen_with(answers: dict[Query, Answer], **change: object):  # type: ignore[no-untyped-def]
    made = node(site=SITE.format("a.example", 8000))
    tree = made.answers[TREE]
    files = tuple(replace(f, truncated=True) if f.path.startswith("/etc/nginx/sites") and change.get("cut") else f
                  for f in tree.files)
    return replace(made, answers={**made.answers, TREE: replace(tree, files=files, message=str(change.get("message", ""))), **answers}), files


def test_a_file_that_was_read_in_part_is_asked_for_whole_and_nothing_else_is_concluded() -> None:
    seen, files = seen_with({}, cut=True)
    path = next(f.path for f in files if f.truncated)
    again = ReadGlob((path,), MAX_CONFIG_BYTES, 1)
    asked = follow_up_queries(capture(seen), ObserveOptions())["local"]
    assert again in asked and not [q for q in asked if isinstance(q, Probe)]
    config = build_snapshot(capture(seen)).nginxes[0].config
    assert isinstance(config, Unknown) and "only its first" in config.reason and path in config.reason
    whole = next(f for f in files if f.truncated)
    read, _ = seen_with({again: Answer("ok", files=(replace(whole, truncated=False, data=whole.data + SITE.format("b.example", 8001).encode()),))}, cut=True)
    assert [r.route.server_names for r in build_snapshot(capture(read)).routes] == [("a.example",), ("b.example",)]
    beyond, _ = seen_with({again: Answer("ok", files=(whole,))}, cut=True)
    assert again not in follow_up_queries(capture(beyond), ObserveOptions()).get("local", [])
    assert isinstance(build_snapshot(capture(beyond)).nginxes[0].config, Unknown)


def test_a_configuration_of_more_words_than_can_be_held_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixer.nginx.include.MOST_WORDS", 5)
    config = build_snapshot(capture(seen_with({})[0])).nginxes[0].config
    assert isinstance(config, Unknown) and "more than can be held" in config.reason


def test_more_files_than_were_read_are_listed_to_the_end() -> None:
    seen, files = seen_with({}, message="more than 500 files")
    again = replace(TREE, max_files=MAX_CONFIG_FILES)
    assert again in follow_up_queries(capture(seen), ObserveOptions())["local"]
    config = build_snapshot(capture(seen)).nginxes[0].config
    assert isinstance(config, Unknown) and "more than 500 files" in config.reason
    read, _ = seen_with({again: Answer("ok", files=files)}, message="more than 500 files")
    assert again not in follow_up_queries(capture(read), ObserveOptions()).get("local", [])
    assert len(build_snapshot(capture(read)).routes) == 1


def test_what_is_read_says_when_it_ends_early(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.conf").write_bytes(b"x" * 100)
    assert answer_tree(ReadTree(str(tmp_path), max_files=5)).message.startswith("more than ")
    (answer,) = answer_glob(ReadGlob((f"{tmp_path}/1.conf",), 99, 1)).files
    assert answer.truncated and len(answer.data) == 99
