"""Tests of fixer/apply/journal_records.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixer.apply.journal_records import RESTARTED, is_unfinished, parse_records, record_line, summary_of, work_end_time
from fixer.model.journal import FileState, Record

PATHS = st.text(st.sampled_from("a/\n é\udc80\udcff"), max_size=9)      # bytes that are no UTF-8 are such surrogates
STATES = st.builds(FileState, st.sampled_from(["absent", "file", "link", "other"]), st.text(max_size=5), st.integers(0, 9))
RECORDS = st.builds(
    Record, st.integers(0, 9), st.floats(0, 9), st.sampled_from(["intent", "done", "undoing", "end"]), st.integers(0, 3),
    st.integers(0, 3), st.text(max_size=9), st.text(max_size=9), st.none() | STATES, st.none() | STATES, st.text(max_size=9),
    PATHS, st.text(max_size=9),
    st.lists(st.text(max_size=4), max_size=2).map(tuple), st.text(max_size=3), st.text(max_size=3),
    st.lists(st.text(max_size=4), max_size=2).map(tuple),
)


@settings(max_examples=30)
@given(RECORDS)
def test_a_record_is_one_line_and_comes_back(record: Record) -> None:
    line = record_line(record)
    assert line.count(b"\n") == 1 and line.isascii()
    assert parse_records(line).records == (record,)


@given(st.lists(RECORDS, max_size=4), st.binary(max_size=40))
def test_any_rubbish_at_the_end_costs_no_record(records: list[Record], rubbish: bytes) -> None:
    data = b"".join(map(record_line, records))
    found = parse_records(data + rubbish.replace(b"\n", b""))
    assert found.records == tuple(records) and found.torn is bool(rubbish.replace(b"\n", b""))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    records = parse_records(data).records
    assert not is_unfinished(records) or records
    assert summary_of("x", records).id == "x"


def test_a_run_names_what_each_kept_round_was_for() -> None:
    begin = Record(0, 0.0, "begin", describe="backend-down")
    first = [Record(1, 0.0, "round", 1, note="backend-down"), Record(2, 0.0, "committed", 1)]
    second = [Record(3, 0.0, "round", 2, note="wrong-port"), Record(4, 0.0, "committed", 2)]
    failed = [Record(5, 0.0, "round", 3, note="wrong-host"), Record(6, 0.0, "rolled-back", 3)]
    assert summary_of("x", [begin, *first, *second, *failed]).cause == "backend-down, wrong-port"
    assert summary_of("x", [begin]).cause == "backend-down"         # and so for a run of an older fixer


def test_a_round_that_its_mechanism_proved_says_so_with_each_step() -> None:
    def kept(number: int, step: str, **how: object) -> list[Record]:
        return [Record(0, 0.0, "round", number, note="header-too-big"), Record(1, 0.0, "intent", number, 0, describe=step),
                Record(2, 0.0, "done", number, 0), Record(3, 0.0, "committed", number, **how)]    # type: ignore[arg-type]

    records = [*kept(1, "edit a"), *kept(2, "reload nginx", proof="mechanism", routes=("1a", "2b"))]
    run = summary_of("x", parse_records(b"".join(map(record_line, records))).records)
    assert run.steps == ("edit a", "reload nginx (proof: mechanism)") and run.unmeasured == ("1a", "2b")
    assert b"proof" not in b"".join(map(record_line, kept(1, "edit a")))      # as every earlier version wrote it
    assert summary_of("x", kept(1, "edit a", proof="of a later fixer", routes=("1a",))).unmeasured == ()


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b'{"seq":0,"at":1,"phase":"done","pre":3}\n', b'{"pre":{"a":1}}\n', b"1~\n"])
def test_lines_that_are_no_records(line: bytes) -> None:
    assert parse_records(line).records == ()


def test_of_a_way_back_only_what_starts_something_is_work_that_could_be_the_reason() -> None:
    def at(*phases: tuple[str, float]) -> list[Record]:
        return [Record(0, moment, phase) for phase, moment in phases]  # type: ignore[arg-type]

    records = at(("begin", 1), ("intent", 2), ("done", 3), ("committed", 4), ("undoing", 8), ("conflict", 9), ("restored", 10), ("undone", 11))
    assert work_end_time(records) == 4 and work_end_time(()) == 0.0
    assert work_end_time([*records, Record(0, 12.0, "restored", describe=RESTARTED)]) == 12
