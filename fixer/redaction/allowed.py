"""What a bundle may show, by kind of file: the table that the collectors in Python and in awk are both made from. Data.

Whatever no row lets through is masked. Each pattern is an ERE of POSIX that Python reads the same way: no interval, no
class with a backslash, no lookaround. `pattern` fills in other rows for `@NAME@`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from fixer.formats.journal_entries import MESSAGE_IDS
from fixer.formats.kernel_messages import KEPT
from fixer.formats.run_output import CONNECT_CALL, PORT_OF_CALL
from fixer.lazy.regex import regex

_ROWS: Mapping[str, str] = {
    # Values that hold no secret, wherever they are: flags, small numbers with a unit, variables.
    "WORD": (
        r"on|off|yes|no|true|false|none|any|all|auto|default|always|never|null|error|warn|info|debug|notice"
        r"|crit|emerg|once|upgrade|close|keep-alive|websocket|https?|supervise-daemon"
    ),
    "NUMBER": r"-?[0-9]?[0-9]?[0-9]?[0-9]?[0-9](\.[0-9][0-9]?[0-9]?)?(ms|us|[smhdwykKMGT%]|[KMG]i?[Bb])?",
    "VARIABLE": r"\$\$?[A-Za-z_][A-Za-z0-9_]*|\$\$?[{][A-Za-z_][A-Za-z0-9_]*[}]|\$[0-9@*#?]",
    # A number of an instance: `81%i` of systemd, `90%(process_num)02d` of supervisord.
    "INSTANCE": r"[0-9]?[0-9]?[0-9]?[0-9]?(%[iIjJ]|%[(][a-z_]+[)][0-9]?[0-9]?[ds])[0-9]?[0-9]?",
    "PLAIN": r"((@WORD@)|@NUMBER@|@INSTANCE@|(@VARIABLE@)([ ,/:.-]*(@VARIABLE@))*|[-=~!<>()*^,.:;|&+/ ]*)",
    # Addresses: where something listens, or what is asked.
    "IP": (
        r"[0-9][0-9]?[0-9]?\.[0-9][0-9]?[0-9]?\.[0-9][0-9]?[0-9]?\.[0-9][0-9]?[0-9]?"
        r"|\[?[0-9a-fA-F]*:[0-9a-fA-F:.]*\]?"
    ),
    "HOST": r"localhost|(@IP@)|[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+\.?",
    "PORT": r":([0-9][0-9]?[0-9]?[0-9]?[0-9]?|@INSTANCE@|@VARIABLE@)",
    "SCHEME": r"(https?|grpcs?|uwsgi|suwsgi|scgi|fastcgi|tcp|udp|unix|wss?)://",
    "SHOWN_VALUE": r"@ADDRESS@|@NAMED@",
    "FILE": r"(/[A-Za-z0-9_.-]+)+/?",
    "PATHLIKE": r"[.~]?[.]?@PATH@",
    "NGINX_COMPARED_ALL": r"(@NGINX_COMPARED@|[^A-Za-z$])+",
    "NGINX_KEY": r"@IP@(/[0-9]+)?",
    "GOAL": r"(@SCHEME@|/|\$\$?[A-Za-z_]|\$\$?[{][A-Za-z_][A-Za-z0-9_]*[}]|\$[0-9@*#?])[A-Za-z0-9_.:/${}?&=-]*",
    "PATH": r"/[A-Za-z0-9_.@:%~+,=$*{}/-]*",
    "ADDRESS": r"(@SCHEME@)?(unix:@PATH@|((@HOST@)(@PORT@)?|[a-z][a-z0-9_-]*@PORT@|@PORT@|@VARIABLE@)(@PATH@)?):?",
    "NAMED": r"(@SCHEME@)[A-Za-z0-9_.-]+(@PATH@)?",
    # nginx: directives all of whose arguments a diagnosis reads.
    "NGINX_SHOW": (
        r"server|location|upstream|include|listen|server_name|root|alias|index|try_files|error_page|internal"
        r"|error_log|access_log|user|pid|load_module|worker_[a-z_]+|working_directory|use|multi_accept|daemon"
        r"|master_process|events|http|stream|types|default_type|(proxy|grpc|fastcgi|uwsgi|scgi"
        r"|memcached)_(pass|bind|connect_timeout|read_timeout|send_timeout|next_upstream(_tries|_timeout)?"
        r"|[a-z_]*buffer[a-z_]*|[a-z_]*temp[a-z_]*|ssl_[a-z_]+|http_version|method|request_[a-z_]+"
        r"|socket_keepalive|intercept_errors|ignore_client_abort|ignore_headers|hide_header|pass_header"
        r"|pass_request_[a-z_]+|limit_rate|redirect|protocol[a-z_]*|timeout|responses|upload_rate"
        r"|download_rate|requests|half_close|keep_conn|index|split_path_info|catch_stderr|force_ranges|cache"
        r"|cache_(path|lock[a-z_]*|methods|min_uses|use_stale|valid|revalidate|background_update)|store[a-z_]*"
        r"|modifier[12])|ssl_[a-z_]+|ssl|http2|http3|quic[a-z_]*|resolver|resolver_timeout|zone"
        r"|keepalive[a-z_]*|least_conn|ip_hash|hash|random|sticky|state|queue|ntlm|client_[a-z_]+|send_timeout"
        r"|lingering_[a-z_]+|large_client_header_buffers|reset_timedout_connection|sendfile[a-z_]*|tcp_[a-z]+"
        r"|aio[a-z_]*|directio[a-z_]*|limit_(conn|req|rate|except)[a-z_]*|auth_request|auth_basic_user_file"
        r"|auth_delay|mirror[a-z_]*|satisfy|allow|deny|stub_status|ssi[a-z_]*|add_before_body|add_after_body"
        r"|gzip[a-z_]*|gunzip[a-z_]*|charset[a-z_]*|expires|etag|server_tokens|merge_slashes|port_in_redirect"
        r"|absolute_redirect|server_name_in_redirect|recursive_error_pages|log_not_found|log_subrequest"
        r"|open_[a-z_]+|[a-z0-9_]+_hash_[a-z_]+|underscores_in_headers|ignore_invalid_headers|set_real_ip_from"
        r"|real_ip_[a-z]+|preread_[a-z_]+|thread_pool|timer_resolution|pcre_jit|debug_[a-z]+|accept_[a-z_]+"
        r"|rewrite|rewrite_log|break|last|autoindex[a-z_]*|dav_[a-z_]+|image_filter[a-z_]*|slice|status_zone"
        r"|geoip[a-z0-9_]*|perl_modules|perl_require|xslt_[a-z_]+|uninitialized_variable_warn|split_clients"
        r"|map|geo|charset_map|hostnames|volatile|ranges|connection_pool_size|request_pool_size|output_buffers"
        r"|postpone_output|msie_[a-z]+|max_ranges"
    ),
    # Headers whose values choose a server, a protocol or a length.
    "NGINX_HEADER_OF": r"(proxy|grpc)_set_header|add_header|add_trailer|(fastcgi|uwsgi|scgi)_param|more_set_[a-z_]+",
    "NGINX_HEADER": (
        r"host|connection|upgrade|te|accept-encoding|content-length|content-type|transfer-encoding|expect"
        r"|keep-alive|x-accel-[a-z-]+|x-forwarded-[a-z-]+|x-real-ip|forwarded|early-data|script_filename"
        r"|script_name|path_info|document_[a-z]+|request_[a-z]+|query_string|content_[a-z]+|server_[a-z]+"
        r"|remote_addr|remote_port|gateway_interface|redirect_status|https|uwsgi_(script|module|callable|file"
        r"|scheme|chdir)|http_(host|upgrade|connection|proxy)|strict-transport-security|x-content-type-options"
        r"|x-frame-options|cache-control"
    ),
    # a name, and a value that may be an address
    "NGINX_VALUE": r"set",
    # compared with what a visitor sends
    "NGINX_CONDITION": r"if",
    "NGINX_RETURN": r"return",
    "NGINX_CHOICE": r"map|geo|split_clients",
    # What a visitor's request is compared with openly: where the request goes, not who sends it.
    "NGINX_COMPARED": (
        r"\$(host|http_host|server_name|server_port|server_addr|uri|document_uri|request_uri|request_method"
        r"|request_filename|document_root|scheme|https|http_upgrade|http_connection|http_x_forwarded_(proto"
        r"|port|for|host)|remote_addr|binary_remote_addr|realpath_root|status|upstream_status|upstream_addr"
        r"|ssl_preread_(server_name|alpn_protocols|protocol)|http_content_type|content_type|content_length"
        r"|http_accept_encoding|protocol|arg_page)"
    ),
    # Commands: options whose values causes read, options without a value, words that name a program or application.
    "OPTION": (
        r"-b|-w|-t|-c|-C|-m|-A|-g|-n|-l|-s|-f|-D|--?(([a-z]+[_-])?(host|port)|bind|uds|fd|socket|unix-socket-perm|workers"
        r"|threads|worker-class|worker-connections|worker-tmp-dir|timeout[a-z-]*|graceful-timeout|keep-?alive"
        r"|app|app-dir|chdir|directory|config|conf|module|wsgi|wsgi-file|callable|mount|factory|loop|http"
        r"|https|(http|uwsgi|fastcgi|scgi)-socket|ini|interface|address|listen|log-level|log-config|access-logfile"
        r"|error-logfile|access-log|error-log|logfile|pid|pidfile|user|group|uid|gid|root-path"
        r"|forwarded-allow-ips|limit-[a-z-]+|backlog|max-requests(-jitter)?|env-file|ssl-(keyfile|certfile"
        r"|ca-certs|version|cert-reqs|ciphers)|certfile|keyfile|name|bind-addr|processes|preload|reload-dir"
        r"|reload-include|queue|queues|concurrency|loglevel|pool|prefix|settings|wait|interval|retries"
        r"|max-time|connect-timeout|output|signal|project-name|file|type|format|kill-signal|h11-[a-z-]+"
        r"|ws[a-z-]*|lifespan|server|insecure-bind|quic-bind|(need-)?plugins?)"
    ),
    "WORKER_CLASS": r"sync|gthread|gevent|eventlet|tornado|[a-z_]+(\.[A-Za-z_]+)+",
    "FLAG": (
        r"--?(reload|factory|proxy-headers|no-[a-z-]+|daemon|preload|preload-app|access-log|master|vacuum"
        r"|die-on-term|need-app|lazy-apps|enable-threads|debug|verbose|quiet|foreground|help|version"
        r"|production|dev|reuse-port|strict|once|fail|silent|show-error|insecure|nodaemon|init|use-colors"
        r"|server-header|date-header|print-config|check-config)|-[dDvqxhirEz]"
        r"|-[a-z][a-z][a-z]?[a-z]?|--|-[0-9]+"
    ),
    # An option whose value is masked: it is shaped so and holds such a word, or is one of the last row.
    "SECRET_SHAPE": r"--?[a-z0-9._-]+",
    "SECRET_WORD": (
        r"pass|secret|token|api-?key|access-?key|private-?key|auth|credential|bearer|cookie|pwd|jwt"
    ),
    "SECRET_NAME": r"--?key|-a",
    "POSITION": (
        r"CMD|CMD-SHELL|NONE|@[a-z]+|[a-z_][a-z0-9_.-]*(:[A-Za-z_][A-Za-z0-9_.]*(\(\))?)?"
        r"|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+(:[A-Za-z_][A-Za-z0-9_.]*(\(\))?)?|([.~]?[.]?|\$[A-Za-z_]+"
        r"|\$[{][A-Za-z_]+[}])@PATH@|[A-Z]|[a-z0-9][a-z0-9_.-]*"
    ),
    "PUBLIC_NAME": (
        r"([A-Za-z0-9_]+_)?(HOST|PORT|BIND|ADDR|ADDRESS|LISTEN|WORKERS|SOCKET|UDS)|WEB_CONCURRENCY|PATH"
        r"|PYTHONPATH|PYTHONUNBUFFERED|LANG|LC_[A-Z]+|TZ|HOME|USER|LOG_LEVEL|COMPOSE_[A-Z_]+"
    ),
    # Units, and what systemd says of them: settings whose values causes read; the others are masked.
    "UNIT_COMMAND": r"exec[a-z]*|command|process_name|stop_command",
    "UNIT_ENVIRONMENT": r"environment",
    "UNIT_NAMES": r"id|names|controlgroup|invocationid|following|loaderror|fragmentpath|dropinpaths|slice",
    "UNIT_SHOW": (
        r"id|names|type|names?|unitfile[a-z]*|loadstate|loaderror|activestate|substate|freezerstate|result"
        r"|mainpid|control(group|pid)|fragmentpath|sourcepath|dropinpaths|needdaemonreload|canstart|canstop"
        r"|canreload|n(restarts|accepted|connections|refused)|status(errno)|exec(mainpid|maincode|mainstatus"
        r"|main[a-z]*timestamp[a-z]*)|[a-z]*timestamp[a-z]*|[a-z]*usec|[a-z]*u?sec|restart[a-z]*|timeout[a-z]*"
        r"|startlimit[a-z]*|kill[a-z]*|sendsig[a-z]*|watchdog[a-z]*|notifyaccess|remainafterexit|guessmainpid"
        r"|user|group|supplementarygroups|dynamicuser|umask|nice|oom[a-z]*|limit[a-z]*|cpu[a-z]*|memory[a-z]*"
        r"|tasks[a-z]*|io[a-z]*|ip[a-z]*|device[a-z]*|delegate[a-z]*|slice|managed[a-z]*|workingdirectory"
        r"|root[a-z]*|environmentfiles?|passenvironment|unsetenvironment|pidfile|busname|bus[a-z]*|usb[a-z]*"
        r"|runtimedirectory[a-z]*|statedirectory[a-z]*|cachedirectory[a-z]*|logsdirectory[a-z]*"
        r"|configurationdirectory[a-z]*|standard(input|output|error)|syslog[a-z]*|log(namespace|level[a-z]*"
        r"|ratelimit[a-z]*)|tty[a-z]*|capab[a-z]*|ambient[a-z]*|bounding[a-z]*|securebits|nonewprivileges"
        r"|protect[a-z]*|private[a-z]*|restrict[a-z]*|systemcall[a-z]*|lock[a-z]*|mount[a-z]*|bind[a-z]*"
        r"|readwritepaths|readonlypaths|inaccessiblepaths|execpaths|noexecpaths|temporaryfilesystem"
        r"|selinuxcontext|apparmorprofile|smack[a-z]*|networknamespacepath|joinsnamespaceof|personality"
        r"|ignoresigpipe|keyringmode|after|before|wants|wantedby|requires|requiredby|requisite[a-z]*|bindsto"
        r"|boundby|partof|consistsof|upholds|upheldby|conflicts|conflictedby|on(success|failure)[a-z]*"
        r"|propagates[a-z]*|reload[a-z]*|stopwhenunneeded|refusemanual[a-z]*|allowisolate|defaultdependencies"
        r"|collectmode|default[a-z]*|successaction[a-z]*|failureaction[a-z]*|job[a-z]*|condition[a-z]*"
        r"|assert[a-z]*|requiresmountsfor|wantsmountsfor|alias|also|indirect|defaultinstance|listen[a-z]*"
        r"|accept|backlog|maxconnections[a-z]*|socket[a-z]*|service|freebind|reuseport|keepalive[a-z]*"
        r"|fileDescriptor[a-z]*|removeonstop|symlinks|triggeredby|triggers|triggerlimit[a-z]*|on[a-z]*sec"
        r"|oncalendar|persistent|unit|path[a-z]*|directorynotempty|makedirectory|what|where|options|transient"
        r"|perpetual|start[a-z]*|stop[a-z]*|successexitstatus|rebootargument|following|invocationid"
        r"|access[a-z]*|startup[a-z]*|blockio[a-z]*|numa[a-z]*|rlimit[a-z]*|fdstore[a-z]*"
        r"|filedescriptorstore[a-z]*|coredump[a-z]*|debuginvocation|exit[a-z]*|success[a-z]*|effective[a-z]*"
        r"|disable[a-z]*|allow[a-z]*|oneshot|surviv[a-z]*|numprocs[a-z]*|autostart|autorestart|startsecs"
        r"|startretries|priority|exitcodes|stopsignal|stopwaitsecs|stopasgroup|killasgroup|directory"
        r"|stdout_[a-z]*|stderr_[a-z]*|redirect_stderr|files|programs|socket|file|chmod|chown|serverurl"
        r"|nodaemon|minfds|minprocs|childlogdir|logfile[a-z_]*|loglevel|identifier|strip_ansi|nocleanup|port"
    ),
    # Compose files: keys whose values causes read, keys of commands, keys of variables.
    "YAML_NAMES": r"image|name|project_directory",
    "YAML_SHOW": (
        r"build|context|dockerfile|target|container_name|hostname|domainname|ports|expose|networks?"
        r"|network_mode|depends_on|condition|restart[a-z_]*|required|volumes?|tmpfs|links|external_links"
        r"|extra_hosts|dns[a-z_]*|aliases|user|working_dir|env_file|path|format|profiles|extends|file|service"
        r"|services|secrets|configs|source|type|read_only|bind|published|protocol|mode|app_protocol|host_ip"
        r"|ipv4_address|ipv6_address|driver|external|name|attachable|internal|ipam|config|subnet|gateway"
        r"|ip_range|interval|timeout|retries|start_period|start_interval|disable|stop_signal|stop_grace_period"
        r"|init|privileged|cap_add|cap_drop|security_opt|sysctls|ulimits|soft|hard|nofile|nproc|cpus"
        r"|cpu_[a-z_]+|cpuset|mem_[a-z_]+|memory|memswap_limit|shm_size|pids_limit|pids|oom_[a-z_]+|deploy"
        r"|replicas|resources|limits|reservations|restart_policy|max_attempts|delay|window|scale|platform"
        r"|pull_policy|runtime|isolation|pid|ipc|uts|userns_mode|version|logging|max-size|max-file|devices"
        r"|group_add|tty|stdin_open|watch|action|ignore|include|project_directory|enable_ipv6|priority"
        r"|mac_address|script|cwd|exec_mode|instances|apps|interpreter"
    ),
    "YAML_COMMAND": r"command|entrypoint|test|cmd|run|exec",
    "YAML_VARIABLES": r"environment|args|env|env_(prod|dev|production|development|staging|test|testing|local)|labels",
    # Code: names whose strings causes read, and strings that are a name of a module, a file, a path or an application.
    "CODE_NAME": (
        r"bind|host|port|uds|socket|app|module|wsgi_app|wsgi|factory|workers|worker_class|worker_tmp_dir"
        r"|threads|chdir|directory|pythonpath|app_dir|user|group|umask|pidfile|accesslog|errorlog|loglevel"
        r"|proc_name|default_proc_name|timeout|graceful_timeout|keepalive|script|cwd|interpreter|exec_mode"
        r"|instances|main|type|version|args|listen|address|addr|server|prefix|path|filename|file"
    ),
    # A quoted host in a call that asks it, between these two: shown if a container has that name.
    "CALLED": f"({CONNECT_CALL})$",
    "PORT_OF_CALL": PORT_OF_CALL,
    # How a line of code begins in a log: a call or an assignment, if a quote follows.
    "CODE_LINE": r"[ \t]*[A-Za-z_][A-Za-z0-9_.]*[ \t]?(\(|=[^=])",
    # Fields of a log in JSON that hold what a program says.
    "LOG_KEY": (
        r"message|msg|error|err|errors|exception|exc_info|event|details?|reason|level|severity|lvl|logger|time"
        r"|timestamp|ts|status|state|type|code|stack|stacktrace|trace|log|stream|service|host|port|address"
        r"|addr"
    ),
    "CODE_TEXT": (
        r"[A-Z][A-Z0-9_]* (is |was |must be )?(not set|not defined|not found|missing|required|unset|empty|set)|"
        r"__[a-z]+__|[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|[.~]?[.]?@PATH@|[A-Za-z_][A-Za-z0-9_]*(\.([a-z0-9_]+"
        r"|[A-Z][A-Za-z]+))+(:[A-Za-z_][A-Za-z0-9_]*)?|[a-z_][a-z0-9_.]*:[a-z_][a-z0-9_]*"
    ),
    # What `docker inspect` says: fields whose texts causes read, and labels of the engine's own tools.
    "INSPECT_SHOW": (
        r"Name|Names|Created|Status|StartedAt|FinishedAt|Hostname|Domainname|User|WorkingDir|NetworkMode"
        r"|Networks|Aliases|DNSNames|Links|ExtraHosts|Dns[A-Za-z]*|(IP|Global|Mac|Gateway|Endpoint|Network"
        r"|IPv)[A-Za-z0-9]*|HostIp|HostPort|HostConfig|Source|Destination|Target|Type|Mode|Propagation|Driver"
        r"|Runtime|RestartPolicy|LogConfig|Platform|MountLabel|ProcessLabel|AppArmorProfile|PidMode|IpcMode"
        r"|UTSMode|UsernsMode|Cgroup[A-Za-z]*|Isolation|SecurityOpt|CapAdd|CapDrop|Binds|VolumesFrom|Ulimits"
        r"|Devices|MaskedPaths|ReadonlyPaths|StopSignal|OnBuild|Shell|MergedDir|UpperDir|LowerDir|WorkDir"
        r"|SandboxKey|SandboxID|State|Health|Tmpfs|VolumeDriver|ContainerIDFile|Start|End|OciRuntime|Scope"
    ),
    "INSPECT_LABEL": (
        r"(com\.docker\.compose|io\.podman\.compose|io\.kubernetes|org\.opencontainers\.image\.(version|title)"
        r"|badgateway|desktop\.docker\.io)[a-z0-9_.-]*"
    ),
    # Fields that hold names which a host gives to its parts.
    "INSPECT_NAME": r"Names?|Hostname|Domainname|NetworkMode|Aliases|DNSNames|Links|Source|Destination|WorkingDir",
    # What stands in front of a line of a log: its time, the host and the program, a level.
    "TIME": (
        r"([0-9]+\.[0-9]+ [^ ]+ ([^ ]*: )?"
        r"|[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9:.]+(Z|[+-][0-9][0-9]:[0-9][0-9]) ?"
        r"|[0-9][0-9][0-9][0-9][-/][0-9][0-9][-/][0-9][0-9][ T][0-9:.,]+Z? ?"
        r"|[A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]+ [^ ]+ [^ ]+: )?(\[?(INFO|DEBUG|NOTICE|TRACE|info|debug)\]?:?[ \t]+)?"
    ),
    # Lines of the kernel's log that a diagnosis reads.
    "KERNEL_LINE": "|".join(KEPT),
    "NGINX_FORMAT": r"([^$A-Za-z0-9_]|[a-z_]+[=:]|@VARIABLE@)*",
    # The journal in JSON: the fields that are shown beside the message, and what they may hold. systemd's own words
    # only: a program may give any field to its entries, too.
    "JOURNAL_NAME": r"UNIT|SYSLOG_IDENTIFIER",
    "JOURNAL_TIME": r"__REALTIME_TIMESTAMP|_SOURCE_REALTIME_TIMESTAMP",
    "JOURNAL_COUNT": r"_PID|EXIT_STATUS|N_RESTARTS|ERRNO",
    "JOURNAL_WORD": r"JOB_TYPE|JOB_RESULT|UNIT_RESULT|EXIT_CODE|COMMAND",
    "JOURNAL_ID": "|".join(MESSAGE_IDS),
    "JOURNAL_NUMBER": r"[0-9]+",
    "JOURNAL_SHORT_NUMBER": r"[0-9][0-9]?[0-9]?[0-9]?[0-9]?[0-9]?[0-9]?",
    "JOURNAL_WORD_VALUE": (
        r"start|stop|restart|(try-)?reload(-or-start)?|try-restart|verify-active|nop|done|canceled|timeout|failed"
        r"|dependency|skipped|invalid|assert|unsupported|collected|once|frozen|concurrency|success|resources|protocol"
        r"|exit-code|signal|core-dump|watchdog|start-limit-hit|oom-kill|exec-condition|exited|killed|dumped"
        r"|Exec(Condition|Start(Pre|Post)?|Stop(Post)?|Reload(Post)?)"
    ),
    # Lines of a program's log that a cause reads: how it starts, listens, waits, fails and ends.
    "TELLING": (
        r"error|exception|traceback|^ *file .*, line [0-9]|^ +\^|fail|refus|denied|time-?d? ?out|unreachable"
        r"|not found|no such|missing|must |required|not set|unset|unbound|empty|in use|cannot|can.t|could not"
        r"|unable|invalid|unexpected|kill|signal|sigterm|segfault|core|oom|memory|exit|status=|code=|start"
        r"|stopp|stopping|listen|running|shut|worker|boot|reload|restart|wait|retry|attempt|connect|bind"
        r"|address|socket|port |permission|module|import|syntax|handshake|ssl|tls|certificate|upstream|limit"
        r"|too (many|big|large|long)|full|no space|read-only|quota|fatal|critical|warn|panic|abort|crash|reset"
        r"|broken pipe|closed|gaierror|resolv|lookup|database|postgres|redis|mysql|mongo|amqp|broker|respons"
        r"|request|http/[12]|validation|field required|errno|emerg|alert|systemd|main process|condition"
        r"|dependency|deprecat|usage:|not supported|unknown|undefined|not defined|no attribute|none|null"
        r"|blocked|slow|took|second|pool|thread|queue|backlog|overload|health|ready|alive|terminat|respawn"
        r"|spawn|detected|spool|mount|process|finished|died|disk|i/o|file|directory|path|during handling"
        r"|the above|caused by|stack|^ +at |raise |return |await |^    "
        r"|couldn|environ|getenv|^ *[~^ -]+$|^supervisor: |e(addrinuse|addrnotavail|noent|acces|perm"
        r"|conn[a-z]+|mfile|nospc)|bad option"
        r"|game over|: line [0-9]+: |^sh: [0-9]+: |^at |^- /|^/[^ :]+\.[cm]?[jt]s:[0-9]+$"
    ),
    # Comments that name who writes the file: an edit there does not last.
    "HEADER": (
        r"ansible[ _-]?managed|(managed|generated|maintained|created) by (ansible|puppet|chef|salt|terraform"
        r"|cloud-init|certbot)|salt[- ]managed|automatically generated|auto-?generated|do not (edit|modify)"
    ),
}


# Letters that follow each letter in words that people write; drawn letters do otherwise.
FOLLOWERS: Mapping[str, str] = {
    "a": "abcdefghiklmnprstuvwxy", "b": "abcdeijlmoprstuy", "c": "acdefhiklmnoprstuy", "d": "abcdefgilmnoprstuvy",
    "e": "abcdefghiklmnopqrstuvwxy", "f": "acdefilorstuy", "g": "aeghilmnorsu", "h": "aeilmorstuy",
    "i": "abcdefgklmnoprstvxz", "j": "aeosu", "k": "aeilnosw", "l": "abcdefiklmnoprstuvy", "m": "abdeilmnopstuy",
    "n": "abcdefghiklmnoprstuvwy", "o": "abcdefgiklmnoprstuvwx", "p": "acdefghilnoprstuwy", "q": "lu",
    "r": "abcdefgiklmnoprstuvwy", "s": "acdefghiklmnopqrstuvwy", "t": "abcdefghilmnoprstuvwy", "u": "abcdefgilmnoprstv",
    "v": "aeio", "w": "adehinors", "x": "acefipst", "y": "ceilmnoprst", "z": "aei",
}
_FILL = regex(r"@([A-Z_]+)@")


if TYPE_CHECKING:

    def row(name: str, flags: int = 0) -> re.Pattern[str]:
        """Return the compiled pattern of a row."""
        ...
else:

    class row(regex):  # noqa: N801  used like a function
        """The pattern of a row, filled in and compiled at first use."""

        def __init__(self, name: str, flags: int = 0) -> None:
            self._row = (name, flags)

        @property
        def _written(self) -> tuple[str, int]:
            return pattern(self._row[0]), self._row[1]


@cache
def pattern(name: str) -> str:
    """Return the ERE of a row, all other rows filled in."""
    return _FILL.sub(lambda match: f"({pattern(match[1])})", _ROWS[name])


_IN_A_STRING = 40


def awk_table(directives: Iterable[str]) -> str:
    """Return the rows, the followers and the names of nginx's directives as a function of awk that fills them in."""
    lines = [f'R["{name}"] = {_awk_text(pattern(name))}' for name in _ROWS]
    lines += [f'FOLLOWERS["{letter}"] = "{after}"' for letter, after in FOLLOWERS.items()]
    names = sorted(directives)
    for at in range(0, len(names), _IN_A_STRING):      # mawk has a longest string
        some = " ".join(names[at : at + _IN_A_STRING])
        lines.append(f'n = split("{some}", a, " "); for (i = 1; i <= n; i++) DIRECTIVE[a[i]] = 1')
    return "function table(   n, i, a) {\n  " + "\n  ".join(lines) + "\n}\n"


def _awk_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
