#!/usr/bin/env bash
# A solver of six steps, as a person takes them: look with standard tools, then repair the two commonest causes.
#   six_steps.sh               on this machine, as root
#   six_steps.sh CONTAINER     in a machine of the lab: lab bench --solver 'six-steps=examples/six_steps.sh {container}'
set -euo pipefail
CONTAINER=${1:-}
on() { if [ -n "$CONTAINER" ]; then docker exec -u 0 "$CONTAINER" "$@"; else "$@"; fi; }
say() { printf '\n== %s\n' "$*"; }
workers() { on ps -eo pid,args | awk '/nginx: worker process$/ {print $1}'; }
escaped() { printf '%s' "$1" | sed 's/[.[\*^$/]/\\&/g'; }

say "1. Which application servers run?"
servers=$(on ps -eo pid,args | grep -E '[u]vicorn|[g]unicorn|[h]ypercorn|[d]aphne' || true)
echo "${servers:-none}"

say "2. Which address did nginx ask last, and what happened?"
errors=$(on tail -n 50 /var/log/nginx/error.log | grep -F 'upstream: "' || true)
last=$(tail -n 1 <<<"$errors")
asked=$(sed -nE 's/.*upstream: "[a-z]+:\/\/([^/"]+).*/\1/p' <<<"$last")
echo "${last:-no error}"
[ -n "$asked" ] || { echo "nginx has logged no failed upstream: nothing to do here"; exit 1; }
port=${asked##*:}

say "3. Does anything listen on port $port?"
on netstat -tln | grep -E "[:.]$port\b" && listens=yes || { echo "nothing"; listens=; }

say "4. Who holds port $port?"
on lsof -nP -i ":$port" -sTCP:LISTEN || echo "nobody that lsof can see"

say "5. Does the page of $asked answer?"
on curl -sS -m 5 -o /dev/null -w 'HTTP %{http_code}\n' "http://$asked/" || true

say "6. Where does nginx's configuration name $asked?"
config=$(on nginx -T 2>/dev/null)
files=$(awk -v wanted="$asked" '/^# configuration file /{file=$4; sub(/:$/,"",file)} /^[ \t]*#/{next}
                                index($0, wanted){print file}' <<<"$config" | sort -u)
echo "${files:-nowhere}"

[ -z "$listens" ] || { echo "port $port listens: this is neither of the two causes"; exit 1; }

# A server listens on another port, which no line of nginx names: that is the port which nginx should ask.
# Its command line says which one; if it does not, the sockets on the same address do.
served=$(grep -oE -- '(--port[= ]|--bind[= ]\S*:|-b \S*:)[0-9]+' <<<"$servers" | grep -oE '[0-9]+$' | sort -u || true)
[ -n "$served" ] || served=$(on ss -Hltn | awk '{print $4}' | grep -F "${asked%:*}:" | grep -oE '[0-9]+$' | sort -u || true)
free=
for candidate in $served; do
    grep -vE '^[ \t]*#' <<<"$config" | grep -qE "[: ]$candidate\b" || free="$free $candidate"
done
if [ "$(wc -w <<<"$free")" = 1 ] && [ -n "$files" ]; then
    new=${asked%:*}:${free# }
    say "nginx asks $asked, the application listens on $new"
    for file in $files; do on sed -i --follow-symlinks "s/$(escaped "$asked")\b/$new/g" "$file"; done
    on nginx -t
    old=$(workers)
    on nginx -s reload     # it ends before the new workers serve: wait until no old one does
    for _ in $(seq 50); do
        grep -qxF "$old" <<<"$(workers)" || break
        sleep 0.2
    done
    echo "cause: wrong-port"
    exit
fi

# A unit with a server is not running: start it, now and at the next boot.
units=$(on sh -c 'cd /etc/systemd/system && grep -lE "^ExecStart=.*(uvicorn|gunicorn|hypercorn|daphne|serve)" -- *.service' || true)
for unit in $units; do
    case $unit in *@.service) continue ;; esac      # a template: only its instances run
    if ! on systemctl --quiet is-active "$unit"; then
        say "$unit is not running"
        on systemctl enable --now "$unit"
        echo "cause: backend-down"
        exit
    fi
done
echo "neither of the two causes"
exit 1
