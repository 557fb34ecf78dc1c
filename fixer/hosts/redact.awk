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
  if (low !~ /authorization|cookie/ && (low !~ /x-/ || low !~ /token|key|secret|auth|verify/)) return line
  if (match(low, /((proxy-)?authorization|(set-)?cookie|x-[a-z0-9-]*(token|key|secret|auth|verify))["\047]?[ \t]*[:= \t][ \t]*["\047]?/)) {
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
  if (line ~ /sq0[a-z]+-|:APA91b|GOCSPX-|shp[a-z]+_|key-[0-9a-f]|SK[0-9a-f]|gl[a-z]+-|ATATT3|hf_|gl(sa|c)_|NRAK-|dapi[0-9a-f]|pscale_|sb[ps]_|lin_api_|rubygems_|8Q~/)
    gsub(/sq0(csp|atp|idp)-[A-Za-z0-9_-]+|AAAA[A-Za-z0-9_-]+:APA91b[A-Za-z0-9_-]+|GOCSPX-[A-Za-z0-9_-]+|shp(at|ca|pa|ss)_[0-9a-f]+|(key-|SK|dapi)[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]+|gl(rt|dt|ptt|soat|cbt|ft|agent)-[A-Za-z0-9_-]+[0-9][A-Za-z0-9_-]+|ATATT3[A-Za-z0-9_=-]+|hf_[A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9][A-Za-z0-9]+|gl(sa|c)_[A-Za-z0-9_=-]+|NRAK-[A-Z0-9]+|pscale_(tkn|pw|oauth)_[A-Za-z0-9_-]+|lin_api_[A-Za-z0-9]+|rubygems_[0-9a-f]+|[A-Za-z0-9_~.][A-Za-z0-9_~.][A-Za-z0-9_~.]8Q~[A-Za-z0-9_~.-]+/, "[redacted: key]", line)
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
# Letters and digits in one word that names no method and no path.
function made(w, least) {
  return length(w) >= least && w ~ /[0-9]/ && w ~ /[A-Za-z]/ && tolower(w) !~ /^(sha|md|bcrypt|pbkdf|argon|scrypt|utf|base|oauth|http|ssh|ntlm|v)-?[0-9]|^[0-9]+([a-z]?[a-z]?[a-z]?$|[-.][^0-9])|^(\[redacted|[$\/.*%&<-])/
}
# What the words around it tell: sentences about a password, .netrc, .pgpass, calls that log in.
function told(line,   low, out, word, q, said, n) {
  low = tolower(line)
  if (low ~ /pass/) {
    if (match(low, /((machine[ \t]+[^ \t]+|default)[ \t]+)?login[ \t]+[^ \t]+[ \t]+passw(or)?d[ \t]+/)) {
      said = substr(low, RSTART, RLENGTH) ~ /^(machine|default)/
      out = substr(line, 1, RSTART + RLENGTH - 1); word = substr(line, RSTART + RLENGTH); n = match(word, /[ \t]/) ? RSTART - 1 : length(word)
      if (n && (said || made(substr(word, 1, n), 6))) line = out "[redacted: password]" substr(word, n + 1)
    }
    if (match(tolower(line), /(passphrase([ \t]+(is|was|to))?|password[ \t]+(is|was))[ \t]+["\047][^ "\047]+[ ][^ "\047]+[ ][^"\047]+["\047]/)) {
      out = substr(line, 1, RSTART - 1); word = substr(line, RSTART, RLENGTH - 1); q = substr(line, RSTART + RLENGTH - 1); match(word, /["\047]/)
      line = out substr(word, 1, RSTART) "[redacted: passphrase]" q
    }
    out = ""
    while (match(tolower(line), /pass(word|wd|phrase|code)([ \t]+(for|of)[ \t]+[^ \t]+)?([ \t]+(is|was|to|now|changed|set|reset|updated))*[ \t]+["\047]?/)) {
      said = substr(line, RSTART, RLENGTH) ~ /[ \t](is|was|to|now|changed|set|reset|updated)[ \t]+["\047]?$|["\047]$/
      out = out substr(line, 1, RSTART + RLENGTH - 1); line = substr(line, RSTART + RLENGTH)
      n = match(line, /[ \t"\047`,;()<>{}]/) ? RSTART - 1 : length(line)
      word = substr(line, 1, n)
      if (said ? made(word, 6) : made(word, 8) && word !~ /^([A-Za-z]+[-_]?[0-9][0-9]?$|[A-Za-z0-9_]+[._=:(@\/\\][A-Za-z0-9_]|.*[:\/(=])/) { out = out "[redacted: password]"; line = substr(line, n + 1) }
    }
    line = out line
  }
  if (low ~ /(token|secret|key|credential)[ \t]/ && match(tolower(line), /(token|secret|api[ -]?key|access[ -]?key|credential)[ \t]+((is|was|=)[ \t]+)?["\047]?/)) {
    said = substr(line, RSTART, RLENGTH) ~ /(is|was|=)[ \t]+["\047]?$/
    out = substr(line, 1, RSTART + RLENGTH - 1); word = substr(line, RSTART + RLENGTH); n = match(word, /[^A-Za-z0-9_.~+\/=-]/) ? RSTART - 1 : length(word)
    if (made(substr(word, 1, n), said ? 12 : 20)) line = out "[redacted: key]" substr(word, n + 1)
  }
  if (match(line, /(^[ \t]*|["\047])(\*|[A-Za-z0-9_.\/-]+):(\*|[0-9][0-9][0-9][0-9][0-9]?):(\*|[^ \t:"\047]+):(\*|[^ \t:"\047]*[A-Za-z][^ \t:"\047]*):[^ \t"\047][^ \t"\047][^ \t"\047][^ \t"\047][^ \t"\047]+([ \t]*$|["\047])/)) {
    out = substr(line, 1, RSTART - 1); word = substr(line, RSTART, RLENGTH); q = substr(line, RSTART + RLENGTH)
    match(word, /^[ \t]*["\047]?[^:]*:[^:]*:[^:]*:[^:]*:/)
    line = out substr(word, 1, RLENGTH) "[redacted: password]" (word ~ /["\047]$/ ? substr(word, length(word)) : "") q
  }
  if (low ~ /auth\(|auth ?= ?\(|\.login\(/ && match(tolower(line), /(auth\(|auth ?= ?\(|\.login\()[ ]*["\047][^"\047]*["\047][ ]*,[ ]*(password ?= ?)?["\047]/)) {
    out = substr(line, 1, RSTART + RLENGTH - 1); word = substr(line, RSTART + RLENGTH); n = match(word, /["\047]/) ? RSTART - 1 : length(word)
    if (n && word !~ /^\[redacted/) line = out "[redacted: password]" substr(word, n + 1)
  }
  if (match(line, /AUTH (PLAIN|LOGIN|XOAUTH2) /)) {
    out = substr(line, 1, RSTART + RLENGTH - 1); word = substr(line, RSTART + RLENGTH); n = match(word, /[^A-Za-z0-9_+\/=-]/) ? RSTART - 1 : length(word)
    if (n > 7) line = out "[redacted: password]" substr(word, n + 1)
  }
  if (match(line, /Private-(MAC|Hash):[ \t]*/)) line = substr(line, 1, RSTART + RLENGTH - 1) "[redacted: private key]"
  return line
}
# Names and values in the list or object that a file of code hands to a program: raw_env of gunicorn, env of pm2.
function code(line,   out, head, name, n, q, at) {
  if (!within && match(line, /raw_env[ \t]*=[ \t]*(\[|\()|["\047]?(^|[^A-Za-z_])env(_[A-Za-z]+)?["\047]?[ \t]*:[ \t]*[{]/)) {
    within = substr(line, RSTART, RLENGTH) ~ /raw_env/ ? "list" : "object"
    at = RSTART + RLENGTH - 1; return substr(line, 1, at) code(substr(line, at + 1))
  }
  if (!within) return line
  out = ""
  while (line != "") {
    if (!match(line, /["\047`)}]|\]/)) { out = out line; line = ""; break }
    q = substr(line, RSTART, 1)
    if (q ~ /[)}]|\]/) { within = ""; return out substr(line, 1, RSTART) code(substr(line, RSTART + 1)) }
    head = substr(line, 1, RSTART - 1); line = substr(line, RSTART + 1); n = index(line, q); if (!n) n = length(line) + 1
    name = substr(line, 1, n - 1)
    if (within == "list" && match(name, /^[A-Za-z_][A-Za-z0-9_]*=/)) {
      at = RLENGTH; out = out head q substr(name, 1, at) (public(substr(name, 1, at - 1), substr(name, at + 1)) ? substr(name, at + 1) : "[redacted: value]") q
    } else if (within == "object" && head ~ /:[ \t]*$/) {
      key = (match(head, /[A-Za-z_][A-Za-z0-9_.-]*[ \t]*:[ \t]*$/) ? substr(head, RSTART) : before); sub(/[ \t]*:[ \t]*$/, "", key)
      out = out head q (public(key, name) ? name : "[redacted: value]") q
    } else { out = out head q name q; before = name }
    line = substr(line, n + 1)
  }
  return out
}
function general(line) {
  if (length(line) > LONG) line = substr(line, 1, LONG) " [cut]"
  return assignments(told(shapes(headers(urls(line)))))
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
  if (path ~ /\.(log|py|[cm]?js|ts|rb|json)$/ || path ~ /^\/var\/log\//) return "text"
  return "env"
}
BEGIN { LONG = 4096 }       # of a line; what is longer was made to cost time, and no diagnosis reads so far
{
  if (substr($0, 1, length(N) + 1) == N " ") {
    kind = "text"; inside = 0; open = ""; within = ""; putty = 0; netrc = 0; path = ""
    if ($3 ~ /^(stat|real|links|target|order|tables|closed|owners|hidden|list|absent|more)$/ || $2 == "clock") kind = "raw"
    if ($2 == "@KERNEL@") kind = "kills"
    if ($2 == "@JSON@") kind = "json"
    print; next
  }
  if (substr($0, 1, 5 + length(P)) == "==> " P "/") {
    path = substr($0, 5 + length(P)); sub(/ <==$/, "", path); kind = kind_of(path); inside = 0; open = ""; within = ""; putty = 0; netrc = 0
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
  if (putty > 0 && line ~ /^[A-Za-z0-9+\/=]+\r?$/) { putty--; print "[redacted: private key]"; next }
  putty = line ~ /^Private-Lines:[ \t]*[0-9]+[ \t]*\r?$/ ? substr(line, 15) + 0 : 0
  if (netrc && match(line, /^[ \t]*passw(or)?d[ \t]+[^ \t]/)) { print substr(line, 1, RLENGTH - 1) "[redacted: password]"; next }
  netrc = line ~ /^[ \t]*(machine[ \t]+[^ \t]+|default)[ \t]*$/ || netrc && line ~ /^[ \t]*(login|account)[ \t]+[^ \t]+[ \t]*$/
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
  if (path ~ /\.(py|rb|[cm]?js|ts|json)$/ && kind == "text") line = code(line)
  print general(kind == "env" ? vars(line) : line)
}
