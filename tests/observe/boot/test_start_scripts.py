"""Servers that somebody started by hand with a script of root: whom root chose, and who only looks alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.plan import WriteFile
from fixer.model.query import Answer, ReadFile
from fixer.model.service import Service
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.view.node_view import View, view_of
from tests.causes.snapshot_builders import finding_of
from tests.observe.boot.start_scripts_builders import FOLDER, SCRIPT, ByHand, folder
from tests.observe.capture_builders import capture

OTHER_HOST = ByHand("127.0.0.2:8000", 8000)
CHDIR = ("/usr/bin/gunicorn", "--chdir", FOLDER, "--bind", "127.0.0.1:9000", "shop:app")


def service_of(made: ByHand) -> Service:
    (one,) = (s for s in build_snapshot(capture(made.machine())).services if 77 in s.pids)
    return one


def diagnosis_of(made: ByHand) -> Diagnosis:
    return diagnose(build_snapshot(capture(made.machine())))


def written(diagnosis: Diagnosis, cause: str) -> bytes:
    step = finding_of(diagnosis, cause).repairs[0].steps[0]
    assert isinstance(step, WriteFile) and step.after is not None
    return step.after


@pytest.mark.parametrize("made", [
    ByHand(), ByHand(text="#!/bin/sh\nexec /usr/bin/gunicorn --chdir {folder} --bind 127.0.0.1:9000 shop:app\n", words=CHDIR),
    ByHand(text="#!/bin/sh\ncd {folder}\nexec runuser -u shop -- {command}\n"),
    ByHand(owners={FOLDER: (997, 0o777)}),      # whom else the account lets in is its own matter
])
def test_root_chose_what_runs_in_the_folder_that_root_gave(made: ByHand) -> None:
    one = service_of(made)
    assert one.boot_entry is not None and (one.boot_entry.kind, one.boot_entry.file) == ("by-hand", SCRIPT)
    assert one.boot_entry.user == "shop" and one.start_folder == FOLDER
    assert not (one.is_hand_started or one.is_idle_boot_entry or one.boot_entry.is_run_at_boot)


def test_nginx_is_pointed_at_what_root_chose() -> None:
    wrong_port, wrong_host = diagnosis_of(ByHand()), diagnosis_of(OTHER_HOST)
    assert finding_of(wrong_port, "wrong-port").confidence == "likely"
    assert b"proxy_pass http://127.0.0.1:9000;" in written(wrong_port, "wrong-port")
    assert b"proxy_pass http://127.0.0.1:8000;" in written(wrong_host, "wrong-bind-address")
    for found in (*wrong_port.findings, *wrong_host.findings):
        assert "at boot" not in found.summary and not [r for r in found.repairs if r.risk == "disruptive"]


def test_several_accounts_or_several_servers_of_one_are_a_doubt() -> None:
    assert service_of(ByHand(worker=33)).boot_entry is None
    assert service_of(ByHand(uid=0, worker=0)).boot_entry is None       # root's own needs no script
    assert service_of(ByHand(second=997)).boot_entry is None
    assert service_of(ByHand(second=1001)).boot_entry is not None       # another user cannot take that away


DOUBTS = [
    ByHand(cwd="/home/noor/shop"),                                                      # the same command in another folder
    ByHand(cwd="/home/noor/shop", owners={"/home/noor/shop": (997, 0o755), "/home/noor": (0, 0o755)}),
    ByHand(cwd=f"{FOLDER} (deleted)"),
    ByHand(uid=1001, worker=1001),                                                      # the same folder, another account
    ByHand(words=("/usr/bin/gunicorn", "--bind", "127.0.0.1:9000", "evil:app")),
    ByHand(words=("/usr/bin/hypercorn", "--bind", "127.0.0.1:9000", "shop:app")),
    ByHand(script=(0, 0o775)), ByHand(script=(0, 0o757)), ByHand(script=(997, 0o755)),
    ByHand(owners={"/usr/local/bin": (0, 0o2775)}), ByHand(owners={"/usr/local/bin": (1001, 0o755)}),
    ByHand(path=f"{FOLDER}/start.sh"),                                                  # the account can replace it
    ByHand(owners={FOLDER: (0, 0o755)}), ByHand(owners={FOLDER: (1001, 0o755)}),
    ByHand(owners={"/srv": (0, 0o775)}), ByHand(owners={"/srv": (0, 0o1777)}), ByHand(owners={"/srv": (997, 0o755)}),
    ByHand(text="#!/bin/sh\nexec {command}\n"), ByHand(text="#!/bin/sh\nexec {command}\n", cwd="/"),
    ByHand(text="#!/bin/sh\ncd $1\nexec {command}\n"),
    ByHand(text="#!/bin/sh\ncd {folder}\nexec runuser -u noor -- {command}\n"),
]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("made", DOUBTS)
def test_what_only_looks_like_roots_choice_becomes_no_upstream_unasked(made: ByHand, host: str) -> None:
    made = replace(made, asked=f"{host}:{made.port if host == '127.0.0.2' else 8000}")
    diagnosis = diagnosis_of(made)
    assert service_of(made).boot_entry is None
    assert not [step for found in diagnosis.findings for repair in found.repairs for step in repair.steps]
    (need,) = finding_of(diagnosis, "wrong-port" if host == "127.0.0.1" else "wrong-bind-address").repairs[0].needs
    assert (need.key, need.kind, need.choices) == ("upstream", "choice", (f"127.0.0.1:{made.port}",))


@pytest.mark.parametrize("path", ["/usr/local/bin", "/srv", FOLDER])
@pytest.mark.parametrize("answer", [None, Answer("denied"), Answer("absent")])
def test_what_was_not_read_proves_nothing(path: str, answer: Answer | None) -> None:
    made = ByHand().machine({} if answer is None else {ReadFile(path, 0): answer})
    if answer is None:
        made = replace(made, answers={query: a for query, a in made.answers.items() if query != ReadFile(path, 0)})
    assert service_in(view_of(made)).boot_entry is None


def test_a_link_to_the_folder_is_not_the_folder() -> None:
    there = folder(FOLDER, 997, 0o755)
    assert there.stat is not None
    led = replace(there, stat=replace(there.stat, kind="link", target=there.stat))
    assert service_in(view_of(ByHand().machine({ReadFile(FOLDER, 0): Answer("ok", files=(led,))}))).boot_entry is None


def service_in(seen: View) -> Service:
    (one,) = (s for s in build_snapshot(capture(seen.node)).services if 77 in s.pids)
    return one
