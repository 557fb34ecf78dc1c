#!/bin/sh
### BEGIN INIT INFO
# Provides:          {{unit}}
# Required-Start:    $network $remote_fs
# Required-Stop:     $network $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: {{title}}
### END INIT INFO
NAME={{unit}}
DAEMON={{program}}
DAEMON_ARGS="{{arguments}}"
PIDFILE=/run/$NAME.pid
{{#sources}}
set -a
. {{envfile}}
set +a
{{/sources}}
{{#exports}}
export {{secret_name}}='{{secret}}'
{{/exports}}

do_start() {
    start-stop-daemon --start --quiet --background --make-pidfile --pidfile $PIDFILE --chuid {{user}} \
        --chdir {{folder}} --output /var/log/$NAME.log --startas $DAEMON -- $DAEMON_ARGS
}

do_stop() {
    start-stop-daemon --stop --quiet --oknodo --retry=15 --remove-pidfile --pidfile $PIDFILE
}

case "$1" in
  start) do_start ;;
  stop) do_stop ;;
  restart|force-reload) do_stop; do_start ;;
  *) echo "Usage: $0 {start|stop|restart}" >&2; exit 3 ;;
esac
