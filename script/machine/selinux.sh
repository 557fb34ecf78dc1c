# boot: security=selinux selinux=1 enforcing=1
# SELinux, enforcing, with the distribution's own policy: httpd_t may not connect until a boolean says so.
BOOLEAN=httpd_can_network_connect
SITE=/etc/nginx/sites-enabled/ledger
lasting() { semanage boolean -l | sed -n "s/^$BOOLEAN  *\((.*)\).*/\1/p" | tr -d ' '; }

same "SELinux is enforcing" Enforcing getenforce
if [ "$STAGE" = 1 ]; then
    expect "the backend answers by itself" curl -sf -m 10 http://127.0.0.1:8017/login
    expect "visitors get 502" answers 502
    expect "fixer names the boolean" first mac-denied selinux-connect-denied
    : >/var/log/nginx/error.log
    expect "also where nobody came since the log was turned over" first mac-denied selinux-connect-denied
    expect "fixer repairs it" fixer repair --yes --max-risk disruptive
    same "visitors are well" 200 status
    same "the boolean is on, now and for good" "(on,on)" lasting
else
    expect "visitors are well after the boot" answers 200
    sum=$(sha256sum $SITE) label=$(stat -c %C $SITE)
    sed -i 's/:8017/:8071/' $SITE; chcon "$label" $SITE; wrong=$(sha256sum $SITE)
    nginx -s reload
    expect "another fault: visitors get 502" answers 502
    expect "fixer repairs it" fixer repair --yes
    same "the file is as it was" "$sum" sha256sum $SITE
    same "and is called by SELinux what it was called" "$label" stat -c %C $SITE
    expect "fixer takes it back" fixer undo
    same "byte for byte" "$wrong" sha256sum $SITE
    same "with what SELinux calls it" "$label" stat -c %C $SITE
    expect "and the boolean, of the boot before" fixer undo --id "$(cat /var/tmp/run)"
    same "which is off, now and for good" "(off,off)" lasting
fi
if [ "$STAGE" = 1 ]; then
    fixer history --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["runs"][0]["id"])' >/var/tmp/run
fi
