"""Never in hope: a diagnosis that is blind to what is wrong, or wrong, ends in a refusal or is taken back, never repaired.

BADGATEWAY_BLIND=all tries every proven case of the matrix, =7 every seventh; without it two.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lab.raising import lab_down, lab_up
from lab.scenario import Stack
from tests.crash.places_killed import Place
from tests.scenarios.proven import PROVEN

BLIND = os.environ.get("BADGATEWAY_BLIND", "")
SHORT: list[tuple[str, Stack]] = [("wrong-port/wrong-port", "host"), ("crash-missing-env/start-env-var-missing", "containers")]


def proven() -> list[tuple[str, Stack]]:
    """The cases that the matrix has proven, each variant once a stack."""
    found = dict.fromkeys(tuple(line.split()[:2]) for line in PROVEN.read_text().splitlines() if not line.startswith("healthy/"))
    return list(found)[:: int(BLIND) if BLIND.isdecimal() else 1]  # type: ignore[arg-type]


@pytest.mark.slow
def test_no_sample_is_repaired_by_a_blind_or_wrong_diagnosis(tmp_path: Path) -> None:
    """The samples of all causes once more, under the plugin; the figures are counted, so it cannot pass by doing nothing."""
    told = tmp_path / "told"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.trust.blinding", "-p", "no:cacheprovider", "-m", "not docker and not slow",
         str(Path(__file__).parents[1] / "causes")], capture_output=True, text=True, check=False, env={**os.environ, "BADGATEWAY_BLINDED": str(told)})
    assert done.returncode == 0, done.stdout[-4000:]
    lines = told.read_text().splitlines()
    ends = Counter(re.sub(r"^(\w+) .*: (\S+ \d).*", r"\1 \2", line) for line in lines)
    assert len(lines) > 1500 and not [end for end in ends if "repaired" in end], ends
    assert ends["blind needs-input 4"] > 500 and ends["wrong needs-input 4"] > 400 and sum(n for end, n in ends.items() if "rolled-back" in end) > 50, ends


@pytest.mark.docker
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("word", "stack"), proven() if BLIND else SHORT)
def test_a_lab_is_left_as_it_was_by_a_blind_repair(word: str, stack: Stack, tmp_path: Path) -> None:
    risen = lab_up(word, stack, 1, lambda _: None)
    try:
        place = Place(risen.lab.target, risen.lab)
        before = place.state()
        environment = {**os.environ, "BADGATEWAY_STATE": str(tmp_path)}
        seen = subprocess.run([sys.executable, "-m", "fixer", "diagnose", place.target, "--json"], capture_output=True, text=True,
                              check=False, env=environment)
        causes = {finding["cause"] for finding in json.loads(seen.stdout)["findings"] if finding["role"] != "advice"}
        assert risen.variant.expect.cause in causes
        done = subprocess.run(
            [sys.executable, "-m", "tests.trust.blind", ",".join(sorted(causes)), "repair", place.target, "--yes", "--max-risk", "disruptive",
             "--json"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=environment)
        said = json.loads(done.stdout)
        assert (done.returncode, said["outcome"]) in ((4, "needs-input"), (1, "rolled-back"), (3, "failed")), said
        if BLIND:
            with Path(os.environ.get("BADGATEWAY_BLIND_LOG", os.devnull)).open("a") as log:
                log.write(f"{word} {stack}: blind to {'+'.join(sorted(causes))}: exit {done.returncode} {said['outcome']} {said['applied']}\n")
        assert said["applied"] == []
        if not risen.variant.expect.repair.heals_by_waiting:
            assert place.becomes(before, well=None) == []
    finally:
        lab_down(risen.lab.id)
