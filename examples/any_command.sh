#!/usr/bin/env bash
# Makes a solver of any command that takes a task on its stdin, such as the command line of an LLM agent:
#   lab bench --solver 'agent=examples/any_command.sh {target} {project} {container} {url} -- claude -p --allowedTools Bash'
set -euo pipefail
[ $# -gt 5 ] && [ "$5" = -- ] || { echo "usage: $0 TARGET PROJECT CONTAINER URL -- COMMAND…" >&2; exit 2; }
target=$1 project=$2 container=$3 url=$4
shift 5

exec "$@" <<TASK
The page $url/login answers 502 Bad Gateway: nginx does not reach the application behind it. Find out why, and repair it.

- nginx runs in the container $container. Look and work there with: docker exec -u 0 $container COMMAND
- All containers of this site carry the label com.docker.compose.project=$project (docker ps -a --filter label=…).
- If the site is a Compose project, docker compose ls --all names its file. Change what is in files, not only what runs.
- Touch nothing else on this machine. Other services must run on as before.
- The repair counts if the page works as before the fault, also after a restart of everything.
- A static page, a deleted route or a longer timeout is no repair. If you cannot repair it, leave all as it was.

When you are done, print one line with the cause, such as: cause: wrong-port
\`fixer causes\` lists all ids. The target for tools that need one is $target
TASK
