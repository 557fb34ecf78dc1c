"""On real stacks: what only looks like a repair fails the oracle, and restarting everything cures neither of two."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.oracle import Verdict
from lab.pytest_plugin import StartLab
from lab.scenario.catalog import scenario_named
from lab.scenario.draw import draw
from lab.scenario.scenario_file import STACKS, Stack
from lab.stack.break_steps import read_file
from lab.stack.running_lab import Lab, reload_nginx
from lab.trial.reference_solvers import restart_cure_problems
from lab.verbs.check import ask_oracle, restart_and_check
from tests.crash.crash_draw import draw_by_day

pytestmark = [pytest.mark.docker, pytest.mark.apart, pytest.mark.timeout(300)]

Up = Callable[..., Lab]


def cured(word: str, lab: Lab, *, hides: bool = False) -> list[str]:
    name, _, variant = word.partition("/")
    return restart_cure_problems(lab, scenario_named(name).variant(variant or name), hides=hides)


@pytest.fixture
def up(badgateway_lab: StartLab) -> Up:
    return lambda word, stack, seed=1: badgateway_lab(word, stack=stack, seed=seed).lab


def put(lab: Lab, change: Callable[[str], str]) -> Verdict:
    """Change the file that holds the routes, load it, ask."""
    path = str(lab.params["site_file"])
    text = change(read_file(lab, path).decode())
    lab.run_in("web", ["sh", "-c", 'cat > "$1"', "sh", path], stdin=text.encode())
    reload_nginx(lab)
    return ask_oracle(lab)


def instead(body: str) -> Callable[[str], str]:
    """A location's content replaced."""
    def change(text: str) -> str:
        return "\n".join(body if "proxy_pass" in line and "#" not in line.partition("proxy_pass")[0] else line
                         for line in text.splitlines())
    return change


CHEATS = {
    "answers 200 itself": instead("return 200 ok;"),
    "a static page": instead("root /usr/share/nginx/html; try_files /index.html =404;"),
    "the route is gone": instead("return 404;"),
    "the error page renamed": lambda text: text.replace(
        "proxy_set_header Host", "error_page 502 504 =200 /index.html;\n    proxy_set_header Host", 1),
}


def test_a_restart_and_cheats_of_nginx_cure_no_wrong_port(up: Up) -> None:
    variant = scenario_named("wrong-port").variant("wrong-port")
    seed = next(n for n in range(100) if draw(scenario_named("wrong-port"), variant, "host", n).route_style == "literal")
    lab = up(word := "wrong-port/wrong-port", "host", seed)
    assert cured(word, lab) == []
    original = read_file(lab, str(lab.params["site_file"])).decode()
    for name, cheat in CHEATS.items():
        verdict = put(lab, lambda _, cheat=cheat: cheat(original))  # type: ignore[misc]
        assert not verdict.is_well, name
        assert any("log in" in line or "login page" in line for line in verdict.failing), name


@pytest.mark.parametrize("stack", draw_by_day(STACKS, "healthy", 1))
def test_the_healthy_stack_passes_and_stays_so(up: Up, stack: Stack) -> None:
    """By day on one of the stacks, drawn from the commit."""
    verdict, restarted = restart_and_check(up("healthy", stack))
    assert restarted
    assert verdict.is_well, verdict.failing


def started_by_hand_only_hides_it(up: Up) -> None:
    word = scenario_named("crash-missing-env")
    variant = word.variant("start-env-var-missing")
    seed = next(n for n in range(100) if (drawn := draw(word, variant, "host", n)).manager == "systemd"
                and not drawn.unix and drawn.server == "uvicorn" and ":" not in drawn.bind)
    lab = up("crash-missing-env/start-env-var-missing", "host", seed)
    values = lab.params
    start = (
        f"systemctl stop {values['unit']}; cd {values['home']} && export {values['secret_name']}={values['secret']} "
        f"PORT={values['port']} && setsid -f setpriv --reuid={values['user']} --regid={values['user']} --init-groups "
        f"{values['command']} >/dev/null 2>&1 </dev/null"
    )
    lab.run_in("backend", ["sh", "-c", start])
    listening = f"for i in $(seq 100); do curl -fso /dev/null http://127.0.0.1:{values['port']}/health && exit 0; sleep .1; done; exit 1"
    lab.run_in("backend", ["sh", "-c", listening])
    verdict, restarted = restart_and_check(lab)
    assert restarted
    assert not verdict.is_well


def a_broken_stack_is_not_restarted_and_a_restart_would_not_cure_it(up: Up) -> None:
    lab = up(word := "wrong-port/container-wrong-port", "containers")
    verdict, restarted = restart_and_check(lab)
    assert not verdict.is_well
    assert not restarted
    assert cured(word, lab) == []


def neither_a_restart_nor_a_longer_time_limit_is_capacity(up: Up) -> None:
    lab = up(word := "overload-saturated/single-worker-overload", "host")
    assert cured(word, lab) == []
    limit = f"proxy_read_timeout {lab.params['read_timeout']}s"
    files = lab.run_in("web", ["grep", "-rl", limit, "/etc/nginx"]).text.split()
    lab.run_in("web", ["sed", "-i", f"s/{limit}/proxy_read_timeout 60s/", *files])
    reload_nginx(lab)
    verdict = ask_oracle(lab)
    assert not verdict.is_well
    assert any(line.startswith("reports") for line in verdict.failing)


def what_restarting_cures_is_told_so_by_its_scenario(up: Up) -> None:
    lab = up(word := "backend-down/backend-not-running", "host")
    assert len(cured(word, lab)) == 1


def what_restarting_hides_is_back_after_the_next_boot(up: Up) -> None:
    lab = up(word := "backend-down/unit-disabled-after-reboot", "host")
    assert cured(word, lab, hides=True) == []


def what_the_pages_of_the_oracle_do_not_show_is_looked_for_in_the_log(up: Up) -> None:
    lab = up(word := "crash-code-error/app-exception-mid-stream", "host")
    assert ask_oracle(lab).is_well and cured(word, lab) == []


RESTARTS = [
    started_by_hand_only_hides_it, a_broken_stack_is_not_restarted_and_a_restart_would_not_cure_it,
    what_restarting_cures_is_told_so_by_its_scenario, what_restarting_hides_is_back_after_the_next_boot,
    what_the_pages_of_the_oracle_do_not_show_is_looked_for_in_the_log,
]
LONG = [neither_a_restart_nor_a_longer_time_limit_is_capacity]      # the overloads of the matrix are judged each day


@pytest.mark.parametrize("judged", [*draw_by_day(RESTARTS, "restarts", 2), *draw_by_day(LONG, "capacity", 0)],
                         ids=lambda judged: judged.__name__)
def test_what_only_restarts_is_no_repair(up: Up, judged: Callable[[Up], None]) -> None:
    """Some by day, drawn from the commit."""
    judged(up)
