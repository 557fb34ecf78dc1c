"""The plan of a round: the first repair that is allowed, and the exact flag for what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.errors import UsageError
from fixer.model.diagnosis import Diagnosis, Finding, Need, Repair, Role
from fixer.model.facts import Evidence
from fixer.model.plan import DaemonReload, UnitAction
from fixer.planner import RepairPolicy, plan
from tests.causes.backend_down.learned_start_builders import FILES, gone

STEP = DaemonReload("local")
SEEN = (Evidence("unit", "x", "y"),)
SAFE = Repair("start", "safe", "start it", (STEP,))
RISKY = Repair("restart", "disruptive", "restart it", (STEP,))
MANUAL = Repair("by-hand", "manual", "correct it", (), manual="correct /etc/x:3")
SECRET = Need("SECRET_KEY", "secret", "asked for")
CHOICE = Need("upstream", "choice", "which?", ("a:1", "b:2"))
NUMBER = Need("workers", "value", "how many", default="8", pattern="[1-9][0-9]?")
WITH_SECRET = Repair("set-variable", "disruptive", "set it", (), (SECRET,))


def finding(*repairs: Repair, cause: str = "c", role: Role = "root") -> Finding:
    return Finding(cause, None, role, "certain", "s", (), ("r1",), None, "local", SEEN, repairs)


def diagnosis(*findings: Finding) -> Diagnosis:
    return Diagnosis("broken", findings, (), ())


def test_the_first_allowed_repair_of_the_first_root() -> None:
    made = plan(diagnosis(finding(SAFE, RISKY)), RepairPolicy())
    assert (made.cause, made.repair_id, made.steps, made.withheld) == ("c", "start", (STEP,), ())


def test_risk_is_withheld_with_its_flag() -> None:
    made = plan(diagnosis(finding(RISKY)), RepairPolicy("safe"))
    assert made.steps == () and made.withheld[0].flag == "--max-risk disruptive"
    assert plan(diagnosis(finding(RISKY)), RepairPolicy("disruptive")).repair_id == "restart"


def test_an_input_is_withheld_with_its_key() -> None:
    made = plan(diagnosis(finding(WITH_SECRET)), RepairPolicy("disruptive"))
    assert made.withheld[0].flag == "--set SECRET_KEY=VALUE"
    made = plan(diagnosis(finding(WITH_SECRET)), RepairPolicy("safe"))
    assert made.withheld[0].flag == "--max-risk disruptive --set SECRET_KEY=VALUE"
    full = Repair("set-variable", "disruptive", "set it", (STEP,), (SECRET,))
    assert plan(diagnosis(finding(full)), RepairPolicy("disruptive"), inputs={"SECRET_KEY": "x"}).steps == (STEP,)


def test_a_choice_names_all_choices() -> None:
    made = plan(diagnosis(finding(Repair("point", "safe", "p", (), (CHOICE,)))), RepairPolicy())
    assert made.withheld[0].flag == "--set upstream=a:1|b:2"


def test_a_default_is_taken() -> None:
    made = plan(diagnosis(finding(Repair("more", "safe", "m", (STEP,), (NUMBER,)))), RepairPolicy())
    assert made.steps == (STEP,)


def test_manual_and_empty_repairs_are_withheld() -> None:
    made = plan(diagnosis(finding(MANUAL), finding(Repair("x", "safe", "s", ()), cause="d")), RepairPolicy("disruptive"))
    assert [w.why for w in made.withheld] == ["correct /etc/x:3", "fixer cannot apply it here"]


def test_the_next_root_helps_where_the_first_must_wait() -> None:
    made = plan(diagnosis(finding(MANUAL, cause="a"), finding(SAFE, cause="b")), RepairPolicy())
    assert made.cause == "b" and made.withheld[0].cause == "a"


def test_consequences_and_advice_are_never_repaired() -> None:
    for role in ("consequence", "advice"):
        assert plan(diagnosis(finding(SAFE, role=role)), RepairPolicy()) == plan(diagnosis(), RepairPolicy())   # type: ignore[arg-type]


def test_waiting_changes_nothing() -> None:
    made = plan(diagnosis(finding(Repair("wait", "safe", "w", (), waits=True))), RepairPolicy())
    assert made.waits and made.steps == ()


def test_only_one_repair() -> None:
    offered = diagnosis(finding(SAFE, RISKY))
    assert plan(offered, RepairPolicy("disruptive"), only="restart").repair_id == "restart"
    with pytest.raises(UsageError, match="no repair is called nothing"):
        plan(offered, RepairPolicy(), only="nothing")


@pytest.mark.parametrize("inputs", [
    {"OTHER": "x"}, {"upstream": "c:3"}, {"SECRET_KEY": "a\nb"}, {"SECRET_KEY": "a\0b"}, {"SECRET_KEY": ""},
    {"workers": "many"}, {"workers": "0"},
])
def test_wrong_words(inputs: dict[str, str]) -> None:
    offered = diagnosis(finding(WITH_SECRET, Repair("p", "safe", "p", (), (CHOICE, NUMBER))))
    with pytest.raises(UsageError):
        plan(offered, RepairPolicy(), inputs=inputs)


def test_what_may_be_asked_for_next_can_be_given_at_once() -> None:
    given = {"SECRET_KEY": "x", "DB_URL": "y"}
    assert plan(diagnosis(finding(replace(WITH_SECRET, steps=(STEP,)))), RepairPolicy("disruptive"), inputs=given).steps == (STEP,)


def test_nothing_asks_for_a_value_here() -> None:
    with pytest.raises(UsageError) as caught:
        plan(diagnosis(finding(SAFE)), RepairPolicy(), inputs={"X": "1"})
    assert "no offered repair" in caught.value.hint


def test_what_a_start_may_lay_bare_can_be_given_before() -> None:
    start = replace(SAFE, steps=(UnitAction("local", "app.service", "start", "inactive", "enabled"),))
    assert plan(diagnosis(finding(start)), RepairPolicy(), inputs={"SECRET_KEY": "x"}).repair_id == "start"
    with pytest.raises(UsageError):
        plan(diagnosis(finding(start)), RepairPolicy(), inputs={"SECRET_KEY": "x\ny"})


def test_what_is_still_starting_may_need_them_once_it_has_ended() -> None:
    made = plan(diagnosis(finding(Repair("wait", "safe", "w", (), waits=True))), RepairPolicy(), inputs={"SECRET_KEY": "x"}, only="start")
    assert made.waits


def test_words_for_a_healthy_target_or_a_later_round_are_no_mistake() -> None:
    healthy = Diagnosis("healthy", (), (), ())
    assert plan(healthy, RepairPolicy(), inputs={"SECRET_KEY": "x"}, only="start").withheld == ()
    assert plan(diagnosis(finding(SAFE)), RepairPolicy(), inputs={"SECRET_KEY": "x"}, strict=False).repair_id == "start"


def test_the_same_repair_is_withheld_once() -> None:
    assert len(plan(diagnosis(finding(RISKY), finding(RISKY)), RepairPolicy()).withheld) == 1


def test_a_second_service_with_the_same_fault_is_not_hidden_by_the_first() -> None:
    made = plan(diagnosis(replace(finding(SAFE), service="a.service"), replace(finding(SAFE), service="b.service")),
                RepairPolicy(forbids=lambda found, repair: "not that one" if found.service == "a.service" else ""))
    assert made.steps == SAFE.steps and [item.why for item in made.withheld] == ["not that one"]


def test_one_word_may_choose_among_the_older_states_of_several_files() -> None:
    """What was chosen for one of them is no choice for the others: those still wait."""
    one = Repair("restore-backup", "disruptive", "a", (STEP,), (Need("restore-from", "choice", "of a", ("a.bak",)),))
    two = Repair("restore-backup", "disruptive", "b", (), (Need("restore-from", "choice", "of b", ("b.bak", "b~")),))
    both = diagnosis(finding(two, cause="a"), finding(one, cause="b"))
    made = plan(both, RepairPolicy("disruptive"), inputs={"restore-from": "a.bak"})
    assert (made.cause, made.steps) == ("b", (STEP,))
    assert made.withheld[0].flag == "--set restore-from=b.bak|b~"
    with pytest.raises(UsageError, match="restore-from: not one of the choices"):
        plan(both, RepairPolicy("disruptive"), inputs={"restore-from": "c.bak"})
    later = plan(diagnosis(finding(two)), RepairPolicy("disruptive"), inputs={"restore-from": "a.bak"}, strict=False)
    assert later.withheld[0].flag == "--set restore-from=b.bak|b~"


def test_a_value_that_is_given_is_one_that_was_asked_for() -> None:
    """A plan refuses words that nothing asks for; the need stays when it is met."""
    given = {"SHOP_KEY": "x"}
    diagnosis = diagnose(gone(files=FILES[:1]), given)
    assert [need.key for need in diagnosis.findings[0].repairs[0].needs] == ["SHOP_KEY"]
    assert plan(diagnosis, RepairPolicy("disruptive"), inputs=given).steps
