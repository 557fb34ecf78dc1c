# The redaction of bundles, for hosts where nothing may be installed: the rules of fixer itself, or stricter ones.
# It reads what a collect script prints, NULs made \001, and knows from the frames (N) and paths (P) which file a line
# belongs to. No quote of the shell, no interval and no function that mawk or busybox lack.
function secret(name,   u) {
  u = toupper(name)
  if (u ~ /(_|-|^)(FILE|PATH|DIR|NAME|TTL|TIMEOUT|EXPIRES?|MAX_AGE|AUTHOR|SECURE|SAMESITE|DOMAIN|TYPE)$/) return 0
  if (u ~ /^AUTH_BASIC|^AUTHOR|^PASSENVIRONMENT$|_PASS$|^PROXY_COOKIE/) return 0
  return u ~ /(^|[_.-])([A-Z0-9]*(@WORDS@)[A-Z0-9]*|KEY)($|[_.-])/
}
function public(name, value,   v) {
  v = value; gsub(/^[ \t"\047]+|[ \t"\047\r]+$/, "", v)
  if (v == "" || v ~ /^[0-9]+$/ && length(v) < 6) return 1
  if (v ~ /^(([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|localhost|\[::1?\])?(:[0-9]+)?|unix:\/[A-Za-z0-9_.\/-]+)$/) return 1
  if (length(v) > 120 || v !~ /^([A-Za-z0-9_.\/:*-]|\[|\]|\$|[{}])*$/) return 0
  return name ~ /^(([A-Za-z0-9_]+_)?(HOST|PORT|BIND|ADDR|ADDRESS|LISTEN|WORKERS|SOCKET|UDS)|WEB_CONCURRENCY|PATH|PYTHONPATH|PYTHONUNBUFFERED|LANG|LC_[A-Z]+|TZ|HOME|USER|LOG_LEVEL)$/
}
function end_of(text,   q, i) {
  q = substr(text, 1, 1)
  if (q == "\"" || q == "\047") { i = index(substr(text, 2), q); return i ? i + 1 : length(text) }
  match(text, /^[^ \t"\047,;}\001]*/)
  return RLENGTH
}
function assignments(line,   out, name, rest, n) {
  out = ""
  while (match(line, /[A-Za-z_][A-Za-z0-9_.-]*["\047]?[ \t]*[=:][ \t]*/)) {
    name = substr(line, RSTART, RLENGTH)
    out = out substr(line, 1, RSTART + RLENGTH - 1)
    line = substr(line, RSTART + RLENGTH)
    sub(/["\047]?[ \t]*[=:][ \t]*$/, "", name)
    if (!secret(name) || line == "" || line ~ /^(os\.)?(environ|getenv)/ || line ~ /^(""|\047\047)/) continue
    n = end_of(line)
    if (n > 0) { out = out "[redacted: " name "]"; line = substr(line, n + 1) }
  }
  return out line
}
function urls(line,   out) {
  out = ""
  while (match(line, /:\/\/[^ \t\/:@]*:[^ \t@\/]+@/)) {
    out = out substr(line, 1, RSTART + 2)
    rest = substr(line, RSTART + 3, RLENGTH - 4)
    out = out substr(rest, 1, index(rest, ":")) "[redacted: password]@"
    line = substr(line, RSTART + RLENGTH)
  }
  return out line
}
function headers(line,   low) {
  low = tolower(line)
  if (match(low, /((proxy-)?authorization|(set-)?cookie|x-[a-z0-9-]*(token|key|secret))["\047]?[ \t]*[:= \t][ \t]*["\047]?/)) {
    if (substr(line, RSTART + RLENGTH, 1) != "$" && substr(line, RSTART + RLENGTH) !~ /^[ \t;{}]*$/)
      return substr(line, 1, RSTART + RLENGTH - 1) "[redacted: header]"
  }
  return line
}
function pairs(text,   out, name, n, value, q) {
  out = ""
  while (match(text, /[A-Za-z_][A-Za-z0-9_]*[ \t]*=/)) {
    name = substr(text, RSTART, RLENGTH - 1); gsub(/[ \t]/, "", name)
    q = RSTART > 1 ? substr(text, RSTART - 1, 1) : ""
    out = out substr(text, 1, RSTART + RLENGTH - 1)
    text = substr(text, RSTART + RLENGTH)
    if (q == "\"" || q == "\047") { n = index(text, q); n = n ? n - 1 : length(text) }
    else n = end_of(text)
    value = substr(text, 1, n)
    out = out (public(name, value) ? value : "[redacted:value]")
    text = substr(text, n + 1)
  }
  return out text
}
function words(line,   n, a, i, out) {
  n = split(line, a, "\001"); out = ""
  for (i = 1; i <= n; i++) {
    if (i > 1 && tolower(a[i - 1]) ~ /^--?[a-z0-9_-]*(password|passwd|secret|token|api-?key|access-?key|credential)[a-z0-9_-]*$/ && a[i] !~ /^-/)
      a[i] = "[redacted: argument]"
    out = out (i > 1 ? "\001" : "") general(a[i])
  }
  return out
}
function general(line) { return assignments(headers(urls(line))) }
function kind_of(path) {
  if (path ~ /^\/proc\/[0-9]+\/cmdline$/) return "argv"
  if (path ~ /^\/proc\/[0-9]+\/fd\//) return "text"
  if (path ~ /^\/proc\//) return "raw"
  if (path ~ /^\/etc\/nginx\//) return "text"
  if (path ~ /\/systemd\//) return "unit"
  if (path ~ /supervisor/) return "program"
  if (path == "/etc/hosts") return "raw"
  if (path ~ /\.(log|py|js|rb|json)$/ || path ~ /^\/var\/log\//) return "text"
  return "env"
}
{
  if (substr($0, 1, length(N) + 1) == N " ") {
    kind = "text"; inside = 0
    if ($3 ~ /^(stat|real|links|target|order|tables|closed|owners|hidden|list|absent|more)$/ || $2 == "clock") kind = "raw"
    print; next
  }
  if (substr($0, 1, 5 + length(P)) == "==> " P "/") {
    path = substr($0, 5 + length(P)); sub(/ <==$/, "", path); kind = kind_of(path); inside = 0
    print; next
  }
  if (kind == "raw") { print; next }
  line = $0
  if (line ~ /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/) { pem = 1; print general(line); next }
  if (pem) { if (line ~ /-----END [A-Z0-9 ]*PRIVATE KEY-----/) { pem = 0; print line } else print "[redacted: private key]"; next }
  if (kind == "argv") { print words(line); next }
  if (kind == "unit" || kind == "text" && line ~ /^Environment=/) {
    if (inside || line ~ /^[ \t]*Environment[ \t]*=/) {
      inside = line ~ /\\$/
      at = index(line, "=")
      print (line ~ /^[ \t]*Environment[ \t]*=/) ? substr(line, 1, at) pairs(substr(line, at + 1)) : pairs(line)
      next
    }
  }
  if (kind == "program") {
    if (tolower(line) ~ /^environment[ \t]*=/) { inside = 1; at = index(line, "="); print substr(line, 1, at) pairs(substr(line, at + 1)); next }
    if (inside && line ~ /^[ \t]/) { print pairs(line); next }
    inside = 0
  }
  if (kind == "env" && match(line, /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=[ \t]*/)) {
    name = substr(line, 1, RLENGTH); value = substr(line, RLENGTH + 1); head = name
    sub(/[ \t]*=[ \t]*$/, "", name); sub(/^[ \t]*(export[ \t]+)?/, "", name)
    print head (public(name, value) ? value : "[redacted: value]")
    next
  }
  print general(line)
}
