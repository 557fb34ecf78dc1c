# Inside the machine: runs the proof and stage that the kernel's command line names, then ends the machine.
word() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"; }
STAGE=$(word stage)
FAILED=0

# expect TEXT COMMAND…: whether that is so, within two minutes: nothing is quick on a machine that is emulated.
expect() {
    local text=$1 until=$((SECONDS + 120))
    shift
    while ! "$@" >/tmp/said 2>&1; do
        if [ "$SECONDS" -gt "$until" ]; then
            FAILED=1; echo "FAIL $text"; tail -n 5 /tmp/said; return
        fi
        sleep 1
    done
    echo "PASS $text"
}
# same TEXT WANTED COMMAND…: what the command prints now.
same() {
    local text=$1 wanted=$2 said
    shift 2
    said=$("$@" 2>&1)
    if [ "$said" = "$wanted" ]; then echo "PASS $text"; else FAILED=1; echo "FAIL $text: $said"; fi
}
status() { curl -s -o /dev/null -m 10 -w '%{http_code}' http://127.0.0.1/login; }
answers() { [ "$(status)" = "$1" ]; }
# first CAUSE VARIANT: what fixer names first, for certain.
first() {
    fixer diagnose --json >/tmp/diagnosis.json
    python3 - "$@" /tmp/diagnosis.json <<'P'
import json, sys
cause, variant, path = sys.argv[1:]
found = json.load(open(path))["findings"][:1]
print([(f["cause"], f["variant"], f["confidence"]) for f in found])
sys.exit([(f["cause"], f["variant"], f["confidence"]) for f in found] != [(cause, variant, "certain")])
P
}

. "/opt/proofs/$(word proof).sh"
[ "$FAILED" = 0 ] && echo "PASS all of it"
systemctl poweroff
