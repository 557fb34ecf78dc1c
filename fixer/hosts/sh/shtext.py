"""The constant POSIX sh text of one round of questions; busybox sh and dash run it, cat-class tools suffice.

Names are told apart from content by an unforgeable name: every path is asked for as `$P/etc/…`, where P is a random
row of `/` and `/.` that means nothing to the kernel. head, tail, stat and ls print the name they were given, so one
call serves many files, and no content or hostile file name can pretend to be the next record.
"""

PRELUDE = r"""LC_ALL=C; export LC_ALL; SYSTEMD_COLORS=0; export SYSTEMD_COLORS
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
S='%n|%f %u %g %s %Y %h %i %y'
item() { printf '\n%s %s\n' "$N" "$1"; }
have() { command -v "$1" >/dev/null 2>&1; }
there() { [ -e "$1" ] || [ -h "$1" ]; }
beginnings() {
  n=$1; shift; [ $# -gt 0 ] || return 0
  if have head; then head -c "$n" /dev/null "$@"; else for f; do printf '\n==> %s <==\n' "$f"; cat "$f"; done; fi
}
ends() {
  n=$1; shift; [ $# -gt 0 ] || return 0
  if have tail; then tail -c "$n" /dev/null "$@"; fi
}
hidden() {
  d=${1%/*}
  while [ "$d" ] && ! [ -d "$d" ]; do d=${d%/*}; done
  [ -z "$d" ] || [ -x "$d" ] || printf '%s\n' "$1"
}
# As many files as fit one call each time: of very many a list in sh costs its square, and the kernel refuses it.
facts() {
  a=$1 i=$1 r=$2 m=$3 q=0; shift 3
  if [ $# -gt 500 ]; then
    W='' v=0; while [ $v -lt 500 ]; do v=$((v + 1)); W="$W \"\${$v}\""; done
    while [ $# -gt 500 ]; do eval "block $W"; shift 500; q=$((q + 1)) i="$a+$q"; done
  fi
  block "$@"
}
block() {
  [ $# -gt 0 ] || return 0
  l='' b=''
  for f; do [ -h "$f" ] && l=1; [ -f "$f" ] || [ -d "$f" ] || b=1; done
  item "$i order"; printf '%s\n' "$@"
  if have stat; then item "$i stat"; stat -c "$S" "$@"; else item "$i ls"; ls -lnid "$@"; fi
  w=ls; item "$i real"
  readlink -zf "$@" || { w=''; item "$i real"; for f; do readlink -nf "$f"; printf '\0'; done; }
  if [ "$l" ]; then
    # busybox has no readlink -z, and its ls prints ? for what it finds unprintable
    if [ "$w" ] || ! have readlink; then item "$i links"; ls -lnd "$@"
    else item "$i ends"; for f; do if [ -h "$f" ]; then printf '\n==> %s <==\n' "$f"; readlink -n "$f"; fi; done; fi
    item "$i target"; stat -L -c "$S" "$@"
  fi
  if [ "$b" ]; then for f; do shift; if [ -f "$f" ]; then set -- "$@" "$f"; fi; done; fi
  item "$i data"; "$r" "$m" "$@"
}
privilege() {
  u='' cap=''
  while read -r a b c d; do case $a in Uid:) u=$c ;; CapEff:) cap=$b ;; esac; done </proc/self/status
  [ "$u" ] || u=$(id -u)
}
owned() {
  p=$(readlink -f "$1") || p=$1
  while :; do
    set -f; set -- $(ls -lnLd "$p"); set +f
    case $1 in ?????-??-*|d????????[tT]*) ;; *) return 1 ;; esac
    [ "$3" = 0 ] || [ "$3" = "$u" ] || return 1
    [ "$p" != / ] || return 0
    p=${p%/*}; p=${p:-/}
  done
}
borrowed() {
  what=$1
  [ "$u" = 0 ] && [ "$cap" ] && [ $((0x$cap >> 19 & 1)) = 0 ] && have setpriv && have stat || return 0
  all=$(stat -c '%u:%g:%n' "$P"/proc/[0-9]*) seen=''
  for x in $all; do
    o=${x%":$P/proc/"*}
    case " $seen 0:0 " in *" $o "*) ;; *) seen="$seen $o" ;; esac
  done
  for o in $seen; do
    set --
    for x in $all; do
      [ "${x%":$P/proc/"*}" = "$o" ] || continue
      p="$P/proc/${x##*/}"
      if [ "$what" = fd ]; then set -- "$@" "$p"/fd/*; else set -- "$@" "$p/exe" "$p/cwd"; fi
    done
    setpriv --reuid "${o%:*}" --regid "${o#*:}" --clear-groups ls -lnd "$@"
  done
}
booted() { item "$1 extra"; beginnings "$2" "$P/proc/stat" "$P/proc/uptime"; }
processes() {
  if have stat; then item "$1 owners"; stat -c "$S" "$P"/proc/[0-9]*; k=''; else k=status; fi
  for k in stat cmdline cgroup $k; do item "$1 $k"; beginnings "$2" "$P"/proc/[0-9]*/"$k"; done
  item "$1 links"; ls -lnd "$P"/proc/[0-9]*/exe "$P"/proc/[0-9]*/cwd
  item "$1 borrowed"; borrowed links
}
sockets() {
  item "$1 tables"; beginnings "$2" "$P/proc/net/tcp" "$P/proc/net/tcp6" "$P/proc/net/unix"
  item "$1 links"; ls -lnd "$P"/proc/[0-9]*/fd/*
  [ $? -lt 126 ] || item "$1 overflow"
  item "$1 borrowed"; borrowed fd
  item "$1 closed"; for f in "$P"/proc/[0-9]*/fd; do { [ -r "$f" ] && [ -x "$f" ]; } || printf '%s\n' "$f"; done
}
limits() { T=''; timeout -k 1 1 true && T='timeout -k 1'; }
"""

# One level of a tree: KIDS appends the entries of folder "$g" to the list, dot files too.
KIDS = r"""for h in "$g"/*; do break; done
if there "$h"; then set -- "$@" "$g"/*; fi
for h in "$g"/.[!.]* "$g"/..?*; do if there "$h"; then set -- "$@" "$h"; fi; done
"""

TREE = r"""if [ -d "$g" ]; then
b=$# k=$# v=1
KIDS
while [ $v -lt "$z" ]; do
  n=$# j=0
  for f; do
    j=$((j + 1)); [ $j -gt $k ] || continue
    [ -d "$f" ] && [ ! -h "$f" ] || continue
    if [ $(($# - b)) -gt $((2 * m + 64)) ]; then item "$i more"; v=$z; break; fi
    g=$f
KIDS
  done
  [ $# -gt $n ] || break
  k=$n v=$((v + 1))
done
item "$i list"; j=0; for f; do j=$((j + 1)); if [ $j -gt $b ]; then printf '%s\n' "$f"; fi; done
else item "$i absent"; fi
""".replace("KIDS\n", KIDS)

GLOB = r"""c=0; for f in PATTERN; do c=$((c + 1)); done
if there "$f"; then
  if [ $c -le $m ]; then printf '%s\n' PATTERN; set -- "$@" PATTERN
  else
    j=0; for f in PATTERN; do
      j=$((j + 1)); [ $j -le $m ] && [ $j -le 1000 ] || break
      printf '%s\n' "$f"; set -- "$@" "$f"
    done
    printf '%s\n' "$P"
  fi
  m=$((m - c)); [ $m -ge 0 ] || m=0
fi
"""

LITERALS = r"""for f; do shift; if there "$f"; then set -- "$@" "$f"; else hidden "$f"; fi; done
"""

# The lowest common probe, where the node has no python3: bash's /dev/tcp or busybox nc, all in the background.
PLAIN_PROBES = r"""how=''; if [ "$T" ]; then if have bash; then how=bash; elif have nc; then how=nc; fi; fi
item "probe how $how"
# head passes on what it has only at its end: it stands outside of what is ended, so that half an answer is seen too
begun() {
  { r=$({ { "$@" 4>&-; echo $? >&4; } | head -c 2800 >&3; } 4>&1); } 3>&1
  return "$r"
}
dial_bash() {
  if [ -z "$4" ]; then $T "$1" bash -c 'exec 9<>"/dev/tcp/$1/$2" || exit 9' bash "$2" "$3"; return; fi
  begun $T "$1" bash -c 'exec 9<>"/dev/tcp/$1/$2" || exit 9
printf %s "$3" >&9; cat <&9' bash "$2" "$3" "$4"
}
# nc passes the end of its input on, and servers drop who seems to leave: so the input stays open meanwhile
held_nc() { { printf %s "$4"; sleep "$1"; } | $T "$1" nc "$2" "$3"; }
dial_nc() {
  if [ -z "$4" ]; then
    o=$($T "$1" nc -z "$2" "$3" 2>&1); r=$?
    case $o in *"option"*) $T "$1" nc "$2" "$3" -e true ;; *) printf %s "$o"; return $r ;; esac
    return
  fi
  begun held_nc "$@"
}
plain() {
  x=$1; shift; a=$(date +%s%N)
  out=$("dial_$how" "$@" 2>&1 </dev/null); r=$?
  printf '\n%s probe done %s %s %s %s\n%s' "$N" "$x" "$r" "$a" "$(date +%s%N)" "$out"
}
"""
