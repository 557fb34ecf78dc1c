#!/bin/sh
# Evidence about nginx and what is behind it, for `fixer diagnose bundle:FILE`. Made by `fixer collect --script`.
# It changes nothing, and asks only listeners of this very machine, each once. Secrets are masked before anything is
# written. Run it as root:   sh collect.sh incident.bundle     or   sh collect.sh >incident.bundle
set -u
out=${1:-}
if ! command -v awk >/dev/null 2>&1; then echo "awk is needed, to mask secrets" >&2; exit 3; fi
if [ "$out" ] && [ -e "$out" ]; then echo "$out exists already: name a file that does not" >&2; exit 2; fi
if [ -z "$out" ] && [ -t 1 ]; then echo "name a file to write, or redirect the output" >&2; exit 2; fi
umask 077
@ROUND@
units() {
  for f in /etc/systemd/system/*.service; do
    [ -e "$f" ] || [ -h "$f" ] || continue
    u=${f##*/}
    case $u in
      dbus-org*|sshd.service|syslog.service) ;;
      *@.service) systemctl list-units --all --no-legend --plain --no-pager --full "${u%.service}*" | while read -r u x; do
        printf '%s\n' "$u"; done ;;
      *) printf '%s\n' "$u" ;;
    esac
  done
  systemctl list-units --failed --no-legend --plain --no-pager --full --type=service 2>/dev/null | while read -r u x; do
    printf '%s\n' "$u"
  done
  printf 'nginx.service\n'
}
journals() {
  [ -d /run/systemd/system ] && have journalctl || return 0
  for u in $(units | sort -u | head -n 12); do
    n=$(systemctl show -p LogNamespace --value "$u" 2>/dev/null)
    set -- -n @LINES@ ${n:+"--namespace=+$n"} -u "$u"
    item "journal out $u"; journalctl --quiet --no-pager @AS_JSON@ "$@" || journalctl --quiet --no-pager @AS_TEXT@ "$@"
  done
}
openrc_programs() {
  [ -d "$P/run/openrc" ] && sed -n 's/^[ \t]*command=["'"'"']\{0,1\}\(\/[^"'"'"' \t$]*\).*/\1/p' "$P"/etc/init.d/*
}
told_files() {
  cat /etc/systemd/system/*.service /etc/systemd/system/*.service.d/*.conf 2>/dev/null |
    sed -n 's/^[ \t]*EnvironmentFile[ \t]*=[ \t]*-\{0,1\}//p; s/^[ \t]*ExecStart[ \t]*=[ \t]*[-@:+!]*\([^ \t]*\).*/\1/p'
  sed -n 's/^command[ \t]*=[ \t]*\([^ \t]*\).*/\1/p' /etc/supervisor/conf.d/*.conf 2>/dev/null
  openrc_programs
  { cat /etc/rc.local; grep -h '^[ \t]*@reboot' /var/spool/cron/crontabs/* /etc/crontab /etc/cron.d/*; } 2>/dev/null |
    tr ' \t;&|"' '\n\n\n\n\n\n' | grep '^/'
}
told() {
  set --
  for f in $(told_files | sort -u | head -n 40); do
    case $f in
      /usr/bin/*|/usr/sbin/*|/bin/*|/sbin/*|/usr/lib/*) continue ;;
      /*) ;; *) continue ;;
    esac
    [ -f "$f" ] || continue
    [ "$(head -c 4 "$f" | tr -d '\0')" != "$(printf '\177ELF')" ] && set -- "$@" "$P$f"
  done
  # what a mask hides: the unit file of the package
  for f in /etc/systemd/system/*.service; do
    [ -h "$f" ] && ! [ -s "$f" ] && [ -f "/usr/lib/systemd/system/${f##*/}" ] && set -- "$@" "$P/usr/lib/systemd/system/${f##*/}"
  done
  # what systemd made of an init script
  for f in /run/systemd/generator.late/*.service; do
    i=${f##*/}; i=/etc/init.d/${i%.service}; [ -f "$i" ] && set -- "$@" "$P$f" "$P$i"
  done
  # the unit of nginx.org's package names nginx's file by a variable
  for f in /usr/lib/systemd/system/nginx.service /lib/systemd/system/nginx.service /etc/default/nginx /etc/sysconfig/nginx; do
    [ -f "$f" ] && set -- "$@" "$P$f"
  done
  facts gtold beginnings @FILE@ "$@" "$P/etc/passwd" "$P/etc/group"
}
openrc() {      # its marks, its scripts, and what these name: the files with process ids, and the logs
  [ -d "$P/run/openrc" ] || return 0
  set --
  for f in "$P"/run/openrc/started/* "$P"/run/openrc/failed/* "$P"/run/openrc/starting/* "$P"/run/openrc/inactive/* \
    "$P"/run/openrc/stopping/* "$P"/run/openrc/daemons/*/* "$P"/run/openrc/options/*/* "$P"/etc/runlevels/*/* \
    "$P"/etc/init.d/* "$P"/etc/conf.d/* "$P"/run/*.pid "$P"/run/*/*.pid; do
    if [ -f "$f" ] || [ -h "$f" ]; then [ $# -lt 200 ] && set -- "$@" "$f"; fi
  done
  facts grc beginnings @FILE@ "$@"
  set --
  for f in $(cat "$P"/etc/init.d/* "$P"/etc/conf.d/* 2>/dev/null |
    sed -n 's/^[ \t]*[a-z]*_log=["'"'"']\{0,1\}\(\/[^"'"'"' \t$;]*\).*/\1/p' | sort -u | head -n 12); do
    [ -f "$P$f" ] && set -- "$@" "$P$f"
  done
  facts grclog ends @FILE@ "$@"
}
named_paths() {
  openrc_programs
  cat /etc/systemd/system/*.service /etc/systemd/system/*.service.d/*.conf 2>/dev/null | sed -n \
    's/^[ \t]*\(WorkingDirectory\|ExecStart\|Condition[A-Za-z]*\|EnvironmentFile\)[ \t]*=[ \t]*[-@:+!|]*\(\/[^ \t"%*?[]*\).*/\2/p'
  for f in /etc/systemd/system/*.service; do printf '%s\n' "/etc/systemd/system/multi-user.target.wants/${f##*/}"; done
}
looked() {
  set --; item "looked list"
  for f in $(named_paths | awk '{ while ($0 != "") { print; if (!sub(/\/[^\/]*$/, "")) break } }' | sort -u | head -n 200); do
    if there "$f"; then set -- "$@" "$P$f"; elif [ "$(hidden "$f")" ]; then continue; fi
    printf '%s\n' "$f"
  done
  facts glook beginnings 513 "$@"
}
outputs() {
  set --
  for p in /proc/[0-9]*; do
    case $(tr '\0' ' ' <"$p/cmdline") in *python*|*uvicorn*|*gunicorn*|*hypercorn*|*node*) ;; *) continue ;; esac
    [ -f "$p/fd/1" ] && [ $# -lt 20 ] && set -- "$@" "$P$p/fd/1"
  done
  facts gout ends @FILE@ "$@"
  set --
  for f in /var/log/supervisor/*.log; do [ -f "$f" ] && [ $# -lt 30 ] && set -- "$@" "$P$f"; done
  facts gsup ends @FILE@ "$@"
}
names() {
  {
    cat /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/*
    for d in /etc/nginx/*/; do
      case $d in */conf.d/|*/sites-enabled/|*/sites-available/|*/modules-*) ;; *) cat "$d"* ;; esac
    done
  } 2>/dev/null | tr ';{' '\n\n'
}
resolved() {
  have getent || return 0
  names | sed -n 's/^[ \t]*\(proxy_pass[ \t]*["'"'"']\{0,1\}https\{0,1\}:\/\/\|server[ \t][ \t]*["'"'"']\{0,1\}\)\([A-Za-z][A-Za-z0-9_.-]*\).*/\2/p' |
    sort -u | head -n 10 | while read -r h; do item "resolve out $h"; $T ${T:+3} getent ahosts "$h"; done
}
ports() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '
    function dec(h,  i, n) { n = 0; for (i = 1; i <= length(h); i++) n = n * 16 + index("0123456789abcdef", tolower(substr(h, i, 1))) - 1; return n }
    $4 == "0A" { split($2, a, ":"); p = dec(a[2]); if (a[1] ~ /^(0+|0100007F|00000000000000000000000001000000)$/ && !seen[p]++) print p }' |
    sort -n | head -n 25
}
shown_names() {      # upstream blocks, and the variables that a pass leads to: a value that names one is shown
  names | sed -n 's/^[ \t]*upstream[ \t][ \t]*\([A-Za-z0-9_.-][A-Za-z0-9_.-]*\).*/\1/p; s/^.*_pass[ \t][ \t]*["'"'"']\{0,1\}\([a-z]*:\/\/\)\{0,1\}\($[A-Za-z0-9_]*\).*/\2/p' | sort -u | tr '\n' ' '
}
known_names() {      # of units, programs and files: no secret, though they may look drawn
  for f in /etc/systemd/system/*.service /etc/systemd/system/*.socket; do printf '%s\n' "${f##*/}"; done
  cat /etc/supervisor/conf.d/*.conf 2>/dev/null | sed -n 's/^\[[a-z-]*:\([^] \t]*\)\].*/\1/p'
  for f in $({ names | tr ' \t:"'"'"'' '\n\n\n\n\n' | grep '^/'; named_paths; told_files; } | sort -u | head -n 400); do
    [ -e "$f" ] && printf '%s\n' "$f"
  done
}
container_names() {      # and those of their services, and aliases: shown where a call of a traceback asks them
  [ -e /run/docker.pid ] && have docker || return 0      # a client alone would start an engine that is off
  limits
  set -- $T ${T:+3} docker -H unix:///var/run/docker.sock
  i=$("$@" ps -aq | head -n 100)
  [ "$i" ] && "$@" inspect -f '{{.Name}} {{index .Config.Labels "com.docker.compose.service"}} {{range .NetworkSettings.Networks}}{{range .Aliases}}{{.}} {{end}}{{end}}' $i |
    sed 's/^\///'
}
web_ports() {
  names | sed -n 's/^[ \t]*listen[ \t][ \t]*\([^ \t]*\).*/\1/p' | sed 's/.*://' | grep -x '[0-9][0-9]*' | sort -u | head -n 4
}
hosts() {
  echo localhost
  names | sed -n 's/^[ \t]*server_name[ \t][ \t]*//p' | tr ' \t' '\n\n' | grep '^[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*$' | sort -u | head -n 6
}
paths() {
  echo /
  names | sed -n 's/^[ \t]*location[ \t][ \t]*\(=[ \t]*\|^~[ \t]*\)\{0,1\}\(\/[A-Za-z0-9_\/.-]*\)[ \t]*$/\2/p' | sort -u | head -n 8
}
upstream_ports() {
  names | sed -n '/^[ \t]*\(proxy_pass\|server\)[ \t]/s/.*:\([0-9][0-9]*\).*/\1/p' | sort -u | head -n 6
}
ask() {
  c=$((c + 1)); [ $c -le @PROBES@ ] || return 0
  item "spec $c $1 $2 $3"
  # the point keeps the line's end from being cut off; sent along it would make the server reset what it has answered
  r=$(printf 'GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: @AGENT@\r\nReferer: http://%s/badgateway\r\nAccept: */*\r\nConnection: close\r\n\r\n.' "$2" "$3" "$3")
  plain "$c" 2 127.0.0.1 "$1" "${r%.}" &
}
probes() {
  [ "$how" ] || return 0
  c=0
  led=" $(upstream_ports | tr '\n' ' ')"
  for p in $led; do for h in $(hosts); do ask "$p" / "$h"; done; done
  for p in $(web_ports); do for h in $(hosts); do for l in $(paths); do ask "$p" "$l" "$h"; done; done; done
  for p in $(ports); do case " 22 25 53 3306 5432 6379$led" in *" $p "*) ;; *) ask "$p" / localhost ;; esac; done
  wait
}
error_logs() {
  echo /var/log/nginx/error.log
  names | sed -n 's/^[ \t]*error_log[ \t][ \t]*\(\/[^ \t]*\).*/\1/p'
}
later() {      # the end of nginx's logs after our own requests: what they met may stand nowhere else
  set --
  for f in $(error_logs | sort -u | head -n 12); do [ -f "$f" ] && set -- "$@" "$P$f"; done
  facts glater ends @LOG@ "$@"
}
nginx_test() {
  have nginx || return 0
  for p in /proc/[0-9]*; do case $(tr '\0' ' ' <"$p/cmdline") in "nginx: master"*) return 0 ;; esac; done
  item "nginx-test out"; nginx -t 2>&1; item "nginx-test end $?"
}
REDACT='@REDACT@'
packed() { if command -v gzip >/dev/null 2>&1; then gzip -c; else cat; fi; }
everything() {
  printf '%s\n' '@MAGIC@' @HEADER@
  round; limits; told; openrc; looked; outputs; journals; resolved; nginx_test
@PLAIN@
  probes; later
  item end
}
made() {
  everything </dev/null 2>/dev/null | tr '\000' '\001' | LC_ALL=C awk -v N="$N" -v P="$P" -v U="$(shown_names)" \
    -v K="$(known_names | sort -u | tr '\\\n' '  ')" -v H="$(container_names | tr '\\\n' '  ')" "$REDACT" |
    tr '\001' '\000' | packed
}
if [ -z "$out" ]; then made
elif made >"$out"; then echo "$out: look at it with fixer diagnose bundle:$out" >&2
else rm -f "$out"; echo "$out could not be written" >&2; exit 1
fi
