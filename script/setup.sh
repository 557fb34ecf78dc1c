# Sourced by the other scripts: everything a fresh machine needs, one line a step, nothing done twice.
# shellcheck shell=bash
set -euo pipefail
ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
VENV="$ROOT/.venv"
export TESTCONTAINERS_RYUK_DISABLED=true PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONDONTWRITEBYTECODE        # tests are compiled once, not once more by every worker of every run
[ -t 2 ] && TTY=1 || TTY=
LIVE=$TTY                            # whether this shell counts seconds on its line; beside another one it does not

# Ctrl-C, a kill and a failure end the commands that run, with all that they started, and wait for what must not be cut
# off (apt_install). The part beside ends its own: bash would report each of its commands that a signal ends.
BESIDE=
SCRATCH=                             # of the step that runs: its output, and pip's files
begin_scratch() { SCRATCH=$(mktemp -d); }
end_scratch() { [ -z "$SCRATCH" ] || rm -rf "$SCRATCH"; SCRATCH=; }
stop_jobs() {
    local status=$? pid
    trap - EXIT INT TERM
    for pid in $(jobs -p); do
        if [ "$pid" = "$BESIDE" ]; then
            kill -TERM "$pid" 2>/dev/null && wait "$pid" || true
        else
            kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || true
            for _ in 1 2 3 4 5; do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
            ! kill -0 "$pid" 2>/dev/null || say "· what must not be cut off ends first…"
            { wait "$pid" || true; } 2>/dev/null
        fi
    done
    end_scratch
    exit "$status"
}
stop_on_end() { trap stop_jobs EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; }
stop_on_end
# start_job COMMAND…: run it in a process group of its own, as job $!.
start_job() { set -m; "$@" </dev/null & set +m; }

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$1" >&2; [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2; exit "${3:-3}"; }

WITHOUT_DOCKER=                      # what a script can do without Docker
# no_docker WHAT HINT: end, and say what works without.
no_docker() { die "$1" "$2${WITHOUT_DOCKER:+; $WITHOUT_DOCKER}"; }

# step TEXT COMMAND…: one line, with the seconds counted on a terminal; the output is shown only when it fails.
step() {
    local status=0
    begin_scratch
    attempt "$@" || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$SCRATCH/log" >&2
        die "$1 failed (exit $status)" "the last lines of its output stand above"
    fi
    end_scratch
}
# docker_step TEXT COMMAND…: the same, where a failure means that there is no Docker: one line says so, and why.
docker_step() {
    local why
    begin_scratch
    if ! attempt "$@"; then
        why=$(grep -E '^(E: |failed to start daemon|Job for )' "$SCRATCH/log" | tail -n 1) || true
        [ -n "$why" ] || why=$(tail -n 1 "$SCRATCH/log")
        no_docker "Docker cannot be had here: $1: ${why:-it failed}" "run this where Docker answers, or where its engine can be installed and started"
    fi
    end_scratch
}
# attempt TEXT COMMAND…: the command's exit status; its output goes to $SCRATCH/log.
attempt() {
    local text=$1 start pid status=0
    shift
    start=$SECONDS
    [ -n "$LIVE" ] || printf '%s· %s…\n' "${TTY:+$'\r\033[K'}" "$text" >&2
    start_job "$@" >"$SCRATCH/log" 2>&1
    pid=$!
    while [ -n "$LIVE" ] && kill -0 "$pid" 2>/dev/null; do
        printf '\r· %s… %d s ' "$text" $((SECONDS - start)) >&2; sleep 0.5
    done
    wait "$pid" || status=$?
    [ -z "$TTY" ] || printf '\r\033[K' >&2
    [ "$status" -eq 0 ] || return "$status"
    printf '✔ %s (%d s)\n' "$text" $((SECONDS - start)) >&2
}

is_debian() { [ -e /etc/debian_version ] && command -v apt-get >/dev/null; }
is_root() { [ "$(id -u)" -eq 0 ]; }
# apt_install PACKAGE…, as a job: one at a time, since the set-up of Python and of Docker run side by side and apt holds one
# lock. A signal ends the download only: packages installed in part would keep apt from anything else.
apt_install() {
    exec 9</var/lib/dpkg
    flock 9
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends --download-only "$@" 9>&- || return
    trap '' INT TERM
    apt-get install -y -qq --no-install-recommends "$@" 9>&-
}

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"; return
        fi
    done
}

setup_python() {
    local python stamp
    stamp=$(cat pyproject.toml "$ROOT/script/setup.sh" | cksum | tr ' ' -)
    [ -x "$VENV/bin/python" ] && [ "$(cat "$VENV/.badgateway-stamp" 2>/dev/null)" = "$stamp" ] && return
    python=$(find_python)
    if [ -z "$python" ]; then
        { is_root && is_debian; } || die "Python 3.11 or newer is needed" "install it, then run this again"
        step "Python from the distribution" apt_install python3 python3-venv; python=python3
    fi
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        { is_root && is_debian; } || die "Python's venv module is missing" "install python3-venv, then run this again"
        step "Python's venv module" apt_install python3-venv
    fi
    # One that an interrupt left half made has no pip yet.
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || step "virtual environment" make_venv "$python"
    step "the package and what it is tested with" install_package
    printf '%s' "$stamp" >"$VENV/.badgateway-stamp"
}
make_venv() { TMPDIR=$SCRATCH "$1" -m venv --clear "$VENV"; }
install_package() {
    export TMPDIR=$SCRATCH           # an interrupted pip leaves its files
    "$VENV/bin/python" -m pip install -q --upgrade 'pip>=25.1' &&
        "$VENV/bin/python" -m pip install -q -e '.[lab]' --group test --group lint --group build --group docs
}

docker_answers() { command -v docker >/dev/null && timeout 20 docker info >/dev/null 2>&1; }
compose_answers() { timeout 20 docker compose version >/dev/null 2>&1; }

# require_docker_or_root: end where Docker neither answers nor can be had, before anything is set up for it.
require_docker_or_root() {
    ! docker_answers || return 0
    [ -z "${DOCKER_HOST:-}" ] || no_docker "DOCKER_HOST is $DOCKER_HOST, and nothing answers there" "unset it to use this machine's engine"
    if ! is_root; then
        command -v docker >/dev/null &&
            no_docker "Docker does not answer, and without root it cannot be started" "start it, or add yourself to its group, or run this as root"
        no_docker "there is no Docker, and without root it cannot be installed" "run this as root on Debian, or install Docker yourself"
    fi
    { command -v dockerd && command -v docker; } >/dev/null || is_debian ||
        no_docker "there is no Docker, and this is not Debian, so it cannot be installed from here" "install Docker, then run this again"
}
setup_docker() {
    require_docker_or_root
    if docker_answers; then
        compose_answers || { is_root && is_debian && step "Docker Compose" apt_install docker-compose; } ||
            no_docker "Docker answers, but 'docker compose' is missing" "install the Compose plugin (v2), then run this again"
        return
    fi
    if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
        docker_step "Docker engine from the distribution" apt_install docker.io docker-cli docker-compose docker-buildx iptables mmdebstrap
    fi
    docker_step "Docker engine started" start_docker
    compose_answers || { is_debian && step "Docker Compose" apt_install docker-compose docker-buildx; }
}
start_docker() {
    local tries=0 engine=
    if [ -d /run/systemd/system ]; then
        systemctl start docker
    elif ! pgrep -x dockerd >/dev/null; then
        rm -f /var/run/docker.pid
        setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &
        engine=$!
    fi
    until docker info >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -ge 60 ] || { [ -n "$engine" ] && ! kill -0 "$engine" 2>/dev/null; }; then
            tail -n 20 /var/log/dockerd.log 2>/dev/null; return 1
        fi
        sleep 1
    done
}

# Python's environment and Docker with the images' base, side by side: neither needs the other.
setup_side_by_side() {
    require_docker_or_root
    { [ -x "$VENV/bin/python" ] && docker_answers; } || say "first the set-up of this machine, once: about 3 minutes with the images"
    start_job python_beside
    BESIDE=$!
    setup_docker
    setup_base
    [ -z "$LIVE" ] || ! kill -0 "$BESIDE" 2>/dev/null || printf '· the Python environment…' >&2
    wait "$BESIDE" || exit $?
}
python_beside() { LIVE=; BESIDE=; SCRATCH=; stop_on_end; setup_python; [ -z "${WITH_BROWSER:-}" ] || setup_browser; }

# The browser in which the tests try the page; where it cannot be installed, they are skipped and say so.
setup_browser() {
    command -v chromium >/dev/null || ! { is_root && is_debian; } ||
        step "chromium, in which the page is tried" apt_install chromium
}

# The base of the images; where no registry answers, the images' own build gets it from the distribution's mirror.
setup_base() {
    docker image inspect debian:trixie-slim >/dev/null 2>&1 && return
    if ! command -v mmdebstrap >/dev/null && is_root && is_debian; then
        step "mmdebstrap, for the base image where no registry answers" apt_install mmdebstrap
    fi
    step "base image" make_base
}
make_base() {
    docker pull -q debian:trixie-slim || ! command -v mmdebstrap ||
        mmdebstrap --quiet --variant=minbase trixie - | docker import -c 'CMD ["bash"]' - debian:trixie-slim
}

setup_images() {
    setup_base
    "$VENV/bin/python" -m lab.stack.images >&2 || die "the images could not be built" "what went wrong stands above"
}
