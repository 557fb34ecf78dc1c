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
# From each mark back to the name before it, at most 100 characters: a search for names would cost a long line its square.
function assignments(line,   out, name, from, n) {
  out = ""
  while (match(line, /[=:][ \t]*/)) {
    from = RSTART > 100 ? RSTART - 100 : 1
    name = substr(line, from, RSTART - from)
    out = out substr(line, 1, RSTART + RLENGTH - 1)
    line = substr(line, RSTART + RLENGTH)
    if (!match(name, /[A-Za-z_][A-Za-z0-9_.-]*["\047]?[ \t]*$/)) continue
    name = substr(name, RSTART)
    sub(/["\047]?[ \t]*$/, "", name)
    if (!secret(name) || line == "" || line ~ /^(os\.)?(environ|getenv)/ || line ~ /^(""|\047\047)/) continue
    n = end_of(line)
    if (n > 0) { out = out "[redacted: " name "]"; line = substr(line, n + 1) }
  }
  return out line
}
function urls(line,   out) {
  out = ""
  while (line ~ /@/ && match(line, /:\/\/[^ \t\/:@]*:[^ \t@\/]+@/)) {
    out = out substr(line, 1, RSTART + 2)
    rest = substr(line, RSTART + 3, RLENGTH - 4)
    out = out substr(rest, 1, index(rest, ":")) "[redacted: password]@"
    line = substr(line, RSTART + RLENGTH)
  }
  return out line
}
function headers(line,   low) {
  low = tolower(line)
  if (low !~ /authorization|cookie/ && (low !~ /x-/ || low !~ /token|key|secret/)) return line
  if (match(low, /((proxy-)?authorization|(set-)?cookie|x-[a-z0-9-]*(token|key|secret))["\047]?[ \t]*[:= \t][ \t]*["\047]?/)) {
    if (substr(line, RSTART + RLENGTH, 1) != "$" && substr(line, RSTART + RLENGTH) !~ /^[ \t;{}]*$/)
      return substr(line, 1, RSTART + RLENGTH - 1) "[redacted: header]"
  }
  return line
}
function pairs(text,   out, name, n, value, q) {
  out = ""
  if (length(text) > LONG) text = substr(text, 1, LONG) " [cut]"
  while (text ~ /=/ && match(text, /[A-Za-z_][A-Za-z0-9_]*[ \t]*=/)) {
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
    out = out (i > 1 ? "\001" : "") (tool(a, i) ? "[redacted: argument]" : general(vars(a[i])))
  }
  return out
}
# The part of each match behind what `head` matches, replaced; what is hidden already, or a variable, stays.
function behind(line, low, whole, head, mark,   out, found) {
  out = ""
  while (match(low, whole)) {
    found = substr(line, RSTART, RLENGTH); end = RSTART + RLENGTH
    out = out substr(line, 1, RSTART - 1)
    match(substr(low, RSTART, RLENGTH), head)
    found = substr(found, RLENGTH + 1) ~ /^["\047]*(\[redacted|\$)/ ? found : substr(found, 1, RLENGTH) mark
    out = out found; line = substr(line, end); low = substr(low, end)
  }
  return out line
}
function shapes(line,   low) {
  if (line ~ /[?&][A-Za-z-]+=/)
    line = behind(line, tolower(line), "[?&](code|sig|signature|x-amz-signature|x-goog-signature|otp|pin|assertion|ticket|sid|key|pass|pw|jwt|session_?id|session|auth|nonce|hash)=[^ \t&\"\047<>#]+", "^[?&][a-z_-]+=", "[redacted]")
  if (line ~ /-[A-Za-z]/) {
    low = tolower(line)
    if (low ~ /pass|secret|token|key|credential/) line = behind(line, low, "(^|[ \t\"\047\\[,(])--?[a-z0-9_-]*(password|passwd|passphrase|-pass|secret|token|api-?key|access-?key|credentials?)[\"\047]?[ ,\t]+[\"\047]?[^ \t\"\047,-][^ \t\"\047,]*[0-9A-Z_][^ \t\"\047,]*", "^[ \t\"\047\\[,(]*--?[a-z0-9_-]+[\"\047]?[ ,\t]+[\"\047]?", "[redacted: argument]")
    if (low ~ /mysql|mariadb|sshpass/) line = behind(line, tolower(line), "[ \t]-p[ \t]*[^ \t\"\047,-][^ \t\"\047,]*", "^[ \t]-p[ \t]*", "[redacted: argument]")
    if (low ~ /redis-cli/) line = behind(line, tolower(line), "[ \t\"]-a[ \t\",]+[^ \t\"\047,]+", "^[ \t\"]-a[ \t\",]+", "[redacted: argument]")
    if (low ~ /curl|wget/) line = behind(line, tolower(line), "[ \t\"](-u|--user)[ \t=\",\047]*[^ \t:\/\"\047]+:[^ \t\"\047,]+", "^[ \t\"](-u|--user)[ \t=\",\047]*[^ \t:]+:", "[redacted: password]")
  }
  if (line ~ /["\047]/ && match(tolower(line), /(identified[ \t]+by|with[ \t]+(encrypted[ \t]+)?password|using[ \t]+password)[ \t]+\\?["\047]/))
    line = substr(line, 1, RSTART + RLENGTH - 1) "[redacted: password]"
  if (line ~ /gh[pousr]_|github_pat_|glpat-|AKIA|ASIA|xox|[rs]k_|AIza|eyJ|npm_|SG\.|pypi-|sk-|hv[sb]\.|MII|dckr_pat_|ya29\.|xapp-|whsec_/) {
    gsub(/(gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[rs]k_live_|[rs]k_test_|npm_|pypi-|hv[sb]\.|dckr_pat_|ya29\.|xapp-|whsec_)[A-Za-z0-9_.-][A-Za-z0-9_.-][A-Za-z0-9_.-][A-Za-z0-9_.-][A-Za-z0-9_.-][A-Za-z0-9_.-][A-Za-z0-9_.-][A-Za-z0-9_.-][A-Za-z0-9_.-]+/, "[redacted: key]", line)
    gsub(/(AKIA|ASIA)[A-Z0-9][A-Z0-9][A-Z0-9][A-Z0-9][A-Z0-9][A-Z0-9][A-Z0-9][A-Z0-9]+|AIza[A-Za-z0-9_-]+|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+|SG\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|sk-[a-z0-9]+-[A-Za-z0-9_-]+[0-9][A-Za-z0-9_-]+|MII[A-Za-z0-9+\/]+[0-9+\/][A-Za-z0-9+\/=]+/, "[redacted: key]", line)
  }
  return line
}
# The word behind the short flag of a known tool, or joined to it.
function tool(a, i,   name, j) {
  for (j = 1; j < i && j < 6; j++) { name = a[j]; sub(/.*\//, "", name); if (name ~ /^(mysql|mariadb|sshpass|redis-cli|curl|wget|mongo|openssl)/) break }
  if (name ~ /^(mysql|mariadb|sshpass)/ && a[i] ~ /^-p./) return 1
  if (a[i] ~ /^--env=/) return 1
  if (name ~ /^mongo/ && (a[i - 1] == "-p" || a[i] ~ /^-p./)) return 1
  if (name == "openssl" && a[i - 1] == "-k" || name == "curl" && (a[i - 1] == "-b" || a[i - 1] == "--cookie" || a[i] ~ /^-b./)) return 1
  if (name == "sshpass" && a[i - 1] == "-p" || name == "redis-cli" && a[i - 1] == "-a") return 1
  return name ~ /^(curl|wget)$/ && (a[i - 1] ~ /^(-u|--user)$/ || a[i] ~ /^-u./) && a[i] ~ /:/
}
function general(line) {
  if (length(line) > LONG) line = substr(line, 1, LONG) " [cut]"
  return assignments(shapes(headers(urls(line))))
}
# Variables set in front of a program: NAME=value as a word.
function vars(line,   out, name, n, value, at) {
  out = ""
  if (length(line) > LONG) line = substr(line, 1, LONG) " [cut]"
  if (line !~ /=/) return line
  while (match(line, /(^|[ \t"\047\001])[A-Z_][A-Z0-9_]*=[^ \t\001]/)) {
    at = RSTART + RLENGTH - 1
    name = substr(line, RSTART, RLENGTH - 2); gsub(/[ \t"\047\001]/, "", name)
    out = out substr(line, 1, at - 1)
    line = substr(line, at); n = end_of(line); if (n < 1) n = 1
    value = substr(line, 1, n)
    out = out (public(name, value) || value ~ /^\[redacted/ ? value : "[redacted:value]")
    line = substr(line, n + 1)
  }
  return out line
}
# The quote that a value opens and does not close; a backslash where it goes on that way; else nothing.
function goes_on(value,   q, rest) {
  q = substr(value, 1, 1)
  if (q == "\"" || q == "\047") {
    rest = substr(value, 2); gsub(/\\./, "", rest)
    return index(rest, q) ? "" : q
  }
  return value ~ /\\\r?$/ ? "\\" : ""
}
function kind_of(path) {
  if (path ~ /^\/proc\/[0-9]+\/cmdline$/) return "argv"
  if (path ~ /^\/proc\/[0-9]+\/fd\//) return "text"
  if (path ~ /^\/proc\//) return "raw"
  if (path ~ /^\/etc\/nginx\//) return "text"
  if (path ~ /\/systemd\//) return "unit"
  if (path ~ /supervisor/) return "program"
  if (path ~ /^\/etc\/(hosts|passwd|group)$/) return "raw"
  if (path ~ /^\/etc\/badgateway\//) return "text"
  if (path ~ /\.(log|py|js|rb|json)$/ || path ~ /^\/var\/log\//) return "text"
  return "env"
}
BEGIN { LONG = 4096 }       # of a line; what is longer was made to cost time, and no diagnosis reads so far
{
  if (substr($0, 1, length(N) + 1) == N " ") {
    kind = "text"; inside = 0; open = ""
    if ($3 ~ /^(stat|real|links|target|order|tables|closed|owners|hidden|list|absent|more)$/ || $2 == "clock") kind = "raw"
    if ($2 == "@KERNEL@") kind = "kills"
    if ($2 == "@JSON@") kind = "json"
    print; next
  }
  if (substr($0, 1, 5 + length(P)) == "==> " P "/") {
    path = substr($0, 5 + length(P)); sub(/ <==$/, "", path); kind = kind_of(path); inside = 0; open = ""
    print; next
  }
  if (kind == "raw") { print; next }
  if (kind == "kills") { if ($0 ~ /oom-kill:|Killed process/) print general($0); next }
  if (kind == "json") { line = $0; gsub(/"key":/, "\002", line); line = general(line); gsub(/\002/, "\"key\":", line); print line; next }
  line = $0
  if (open != "") {
    print "  [redacted: value]"
    if (open == "\\") { if (line !~ /\\\r?$/) open = "" }
    else { gsub(/\\./, "", line); if (index(line, open)) open = "" }
    next
  }
  if (line ~ /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/) { pem = 1; if (kind != "env") { print general(line); next } }
  if (pem && line !~ /-----BEGIN /) { if (line ~ /-----END [A-Z0-9 ]*PRIVATE KEY-----/) { pem = 0; print line } else print "[redacted: private key]"; next }
  if (kind == "argv") { print words(line); next }
  if (kind == "unit" || kind == "text" && line ~ /^Environment=/) {
    if (inside || line ~ /^[ \t]*Environment[ \t]*=/) {
      if (inside && line ~ /^[ \t]*[#;]/) { print general(line); next }
      inside = line ~ /\\$/
      at = index(line, "=")
      print (line ~ /^[ \t]*Environment[ \t]*=/) ? substr(line, 1, at) pairs(substr(line, at + 1)) : pairs(line)
      next
    }
  }
  if (kind == "unit" && line ~ /^[ \t]*SetCredential[A-Za-z]*[ \t]*=/) {
    at = index(line, ":"); open = goes_on(substr(line, at + 1)); print substr(line, 1, at) "[redacted: credential]"; next
  }
  if (kind == "unit") { print general(vars(line)); next }
  if (kind == "program") {
    if (tolower(line) ~ /^environment[ \t]*=/) { inside = 1; at = index(line, "="); print substr(line, 1, at) pairs(substr(line, at + 1)); next }
    if (inside && line ~ /^[ \t]/) { print pairs(line); next }
    inside = 0
  }
  if (kind == "env" && match(line, /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_.-]*[ \t]*=[ \t]*/)) {
    name = substr(line, 1, RLENGTH); value = substr(line, RLENGTH + 1); head = name
    sub(/[ \t]*=[ \t]*$/, "", name); sub(/^[ \t]*(export[ \t]+)?/, "", name)
    open = goes_on(value); pem = 0
    print head (open == "" && public(name, value) ? value : "[redacted: value]")
    next
  }
  print general(kind == "env" ? vars(line) : line)
}
