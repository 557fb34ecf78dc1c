# The redaction of bundles, for hosts where nothing may be installed: the rules of fixer itself, or stricter ones.
# It reads what a collect script prints, NULs made \001, and knows from the frames (N) and paths (P) which file a line
# belongs to. No quote of the shell, no interval and no function that mawk or busybox lack.
function secret(name,   u) {
  u = toupper(name)
  if (u ~ /(_|-|^)(FILE|PATH|DIR|NAME|TTL|TIMEOUT|EXPIRES?|MAX_AGE|AUTHOR|SECURE|SAMESITE|DOMAIN|TYPE)$/) return 0
  if (u ~ /^AUTH_BASIC|^AUTHOR|^PASSENVIRONMENT$|_PASS$|^PROXY_COOKIE/) return 0
  return u ~ /(^|[_.-])([A-Z0-9]*(@WORDS@)[A-Z0-9]*|KEY|PW)($|[_.-])/
}
# How long a value is: its quote and what is joined to it, or up to a blank, a quote or a sign that ends it.
function end_of(text,   q, n, rest) {
  q = substr(text, 1, 1); n = 0
  if (q == "\"" || q == "\047") { n = q == "\"" ? ends(text, q) : index(substr(text, 2), q) + 1; if (n < 2) return length(text) > 1 ? length(text) : 0; if (substr(text, n + 1) !~ /^[A-Za-z0-9_]/) return n }
  for (;;) {
    while (match(substr(text, n + 1), /^(\[(masked [0-9]+|redacted[^]]*)\]|[^[ \t\r\f\v"\047,;}\001]+)/) || match(substr(text, n + 1), /^\[/)) n += RLENGTH
    rest = substr(text, n + 1)
    if (rest !~ /^[,;}][^] \t\r\f\v"\047})]/ || rest ~ /^.[A-Za-z0-9_. -]*["\047]?[ \t]*[=:]/) break
    n++
  }
  return n
}
# From each mark back to the name before it, at most 100 characters: a search for names would cost a long line its square.
function assignments(line,   out, name, sign, before, from, n, q) {
  out = ""
  while (match(line, /(:|[:+=?]?=>?)[ \t\r\f\v]*/)) {
    from = RSTART > 100 ? RSTART - 100 : 1
    name = substr(line, from, RSTART - from); sign = substr(line, RSTART, RLENGTH); before = out substr(line, 1, RSTART - 1)
    out = before sign
    line = substr(line, RSTART + RLENGTH)
    if (!match(name, /[A-Za-z_][A-Za-z0-9_.-]*["\047]?[ \t\r\f\v]*$/)) continue
    name = substr(name, RSTART); before = substr(before, 1, length(before) - length(name)); sign = substr(name, 2) sign
    sub(/["\047]?[ \t\r\f\v]*$/, "", name); sign = substr(sign, length(name))
    if (!secret(name) || line == "" || line ~ LOOKUP || line ~ /^(""|\047\047|\[redacted|\[masked)/) continue
    n = end_of(line); if (!n) continue
    q = substr(before, length(before))
    if (line ~ /^["\047]/) q = ""
    else if ((q == "\"" || q == "\047") && !index(sign, q)) { q = ends(q line, q); n = q ? q - 2 : length(line) }
    else if (index(sign, ":") || before ~ /^[ \t\r\f\v]*(-[ \t]+)?(export[ \t]+)?$/) n = length(line)
    out = out "[redacted: " name "]"; line = substr(line, n + 1)
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
  if (match(low, /((proxy-)?authorization|(set-)?cookie|x-[a-z0-9-]*(token|key|secret|auth|verify))["\047]?[ \t\r\f\v]*[:= \t\r\f\v][ \t\r\f\v]*["\047]?/)) {
    if (substr(line, RSTART + RLENGTH, 1) != "$" && substr(line, RSTART + RLENGTH) !~ /^[ \t;{}]*$/)
      return substr(line, 1, RSTART + RLENGTH - 1) "[redacted: header]"
  }
  return line
}
# The part of each match behind what `head` matches, replaced; what is hidden already, or a variable, stays.
function behind(line, low, whole, head, mark,   out, found) {
  out = ""
  while (match(low, whole)) {
    found = substr(line, RSTART, RLENGTH); end = RSTART + RLENGTH
    out = out substr(line, 1, RSTART - 1)
    match(substr(low, RSTART, RLENGTH), head)
    found = substr(found, RLENGTH + 1) ~ /^["\047]*(\[redacted|\[masked|\$)/ ? found : substr(found, 1, RLENGTH) mark
    out = out found; line = substr(line, end); low = substr(low, end)
  }
  return out line
}
# Each match of a shape replaced that begins a word; `figure`: only if one is in it; 2: behind its first word.
function cut(line, shape, figure,   out, found, n) {
  out = ""
  while (match(line, shape)) {
    found = RSTART > 1 ? substr(line, RSTART - 1, 1) : substr(out, length(out))
    if (figure < 2 && found ~ /[A-Za-z0-9_]/ && substr(line, RSTART, 1) ~ /[A-Za-z0-9_]/) { out = out substr(line, 1, RSTART); line = substr(line, RSTART + 1); continue }
    found = substr(line, RSTART, RLENGTH); out = out substr(line, 1, RSTART - 1); line = substr(line, RSTART + RLENGTH)
    n = figure == 2 ? index(found, " ") : 0
    out = out (figure && substr(found, n + 1) !~ (found ~ /^Basic/ ? "[0-9=]" : "[0-9]") ? found : substr(found, 1, n) "[redacted: key]")
  }
  return out line
}
function many(signs, least,   text) { text = ""; while (least-- > 0) text = text signs; return text signs "*" }
# Keys by their own form, with the lengths that fixer/redaction takes.
function key_shapes(   w, d, a, h, n) {
  d = "[A-Za-z0-9_-]"; w = "[A-Za-z0-9_]"; a = "[A-Za-z0-9]"; h = "[0-9a-f]"
  KEY_STARTS = "gh[pousr]_|github_pat_|glpat-|AKIA|ASIA|xox|[rs]k_|AIza|eyJ|Bearer |Basic |npm_|SG\\.|pypi-|sk-|hv[sb]\\.|MII|dckr_pat_|ya29\\.|xapp-|whsec_|sq0|:APA91b|GOCSPX-|shp|key-|SK|gl|ATATT3|hf_|NRAK-|dapi|pscale_|sb[ps]_|lin_api_|rubygems_|8Q~|_v1_|AGE-SECRET|/webhooks/|hooks\\.slack|[$]"
  KEYS = "gh[pousr]_" many(a, 20) "|github_pat_" many(w, 20) "|glpat-" many(d, 20) "|(AKIA|ASIA)" many("[A-Z0-9]", 16) "|xox[abeoprs]-" many("[A-Za-z0-9-]", 10) "|[rs]k_(live|test)_" many(a, 10) "|AIza" many(d, 35) \
    "|eyJ" many(d, 8) "\\." many(d, 8) "(\\." d "*)?|npm_" many(a, 30) "|SG\\." many(d, 16) "\\." many(d, 16) "|pypi-" many(d, 20) "|hv[sb]\\." many(d, 20) "|do[opr]_v1_" many(h, 40) "|dckr_pat_" many(d, 16) "|ya29\\." many(d, 20) "|xapp-" many(d, 16) "|whsec_" many("[A-Za-z0-9_+/=]", 20)
  MORE_KEYS = "sq0(csp|atp|idp)-" many(d, 20) "|AAAA" many(d, 7) ":APA91b" many(d, 60) "|GOCSPX-" many(d, 20) "|shp(at|ca|pa|ss)_" many(h, 32) "|(key-|SK|dapi)" many(h, 32) "|gl(rt|dt|ptt|soat|cbt|ft|agent)-" many(d, 20) "|ATATT3" many("[A-Za-z0-9_=-]", 20) "|hf_" many(a, 30) \
    "|gl(sa|c)_" many("[A-Za-z0-9_=-]", 30) "|NRAK-" many("[A-Z0-9]", 20) "|pscale_(tkn|pw|oauth)_" many(d, 20) "|sb[ps]_" many(d, 30) "|lin_api_" many(w, 20) "|rubygems_" many(h, 40) "|[A-Za-z0-9_~.][A-Za-z0-9_~.][A-Za-z0-9_~.]8Q~" many("[A-Za-z0-9_~.-]", 30) \
    "|AGE-SECRET-KEY-" many("[A-Z0-9]", 10) "|MII" many("[A-Za-z0-9+/]", 40) "=*|hooks\\.slack\\.com/services/" many("[^ \t\r\f\v]", 20) "|/api/webhooks/[0-9]+/" many(d, 20) "|[$][$]?(apr1|[156y]|2[aby]|argon2[a-z0-9]*)[$]" many("[^ \t\r\f\v:\"\047]", 20)
  WITH_FIGURE = "sk-" many(d, 20); BEARER = "Bearer " many("[A-Za-z0-9_.~+/=-]", 16) "|Basic " many("[A-Za-z0-9_+/=-]", 12)
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
  if (line ~ KEY_STARTS) {
    line = cut(line, KEYS, 0); line = cut(line, MORE_KEYS, 0); line = cut(line, WITH_FIGURE, 1)
    if (line ~ /(Bearer|Basic) /) line = cut(line, BEARER, 2)
  }
  return line
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
function general(line) {
  if (length(line) > LONG) line = substr(line, 1, LONG) " [cut]"
  if (line ~ /[0-9]:/) line = bots(line)
  return assignments(told(shapes(headers(urls(line)))))
}
function kind_of(path) {
  if (path ~ /^\/proc\/[0-9]+\/cmdline$/) return "argv"
  if (path ~ /^\/proc\/[0-9]+\/fd\/|\.log$|^\/var\/log\//) return "log"
  if (path ~ /^\/proc\/|^\/etc\/(hosts|passwd|group)$/) return "raw"
  if (path ~ /^\/run\/openrc\/options\/|^\/(var\/)?run\/.*\.pid$/) return "number"
  if (path ~ /\/(nftables\.conf|rules\.v[46]|ip6?tables)$/) return "rules"
  if (path ~ /^\/etc\/nginx\//) return "nginx"
  if (path ~ /\/systemd\/|supervisor|^\/run\/systemd\//) return "unit"
  if (path ~ /\.(py|[cm]?js|ts|rb|json)$/ && path !~ /\/badgateway\//) return "code"
  if (path ~ /\/badgateway\//) return "text"
  if (path ~ /\/cron|^\/etc\/(rc\.local|init\.d|inittab|sv|service|runit|s6)/) return "script"
  return "env"
}
function argv_of(count,   line, n, a, i, out, S) {
  line = B[1]; for (i = 2; i <= count; i++) line = line "\n" B[i]
  n = split(line, a, "\001"); out = ""; start(S)
  for (i = 1; i <= n; i++) out = out (i > 1 ? "\001" : "") next_word(a[i], S)
  return out
}
BEGIN {
  LONG = 4096       # of a line; what is longer was made to cost time, and no diagnosis reads so far
  table(); key_shapes(); kind = "raw"     # until the first frame: what the script says of itself
  for (name in R) F[name] = "^(" R[name] ")$"
  TIME = "^" R["TIME"]; FRAME = "^[ \t\r\f\v]*File \"[^\"]*\", line [0-9]"; CODE_LINE = "^" R["CODE_LINE"]; LOOKUP = "^(os\\.)?(environ\\[|environ\\.get\\(|getenv\\()[\"\047][A-Za-z_][A-Za-z0-9_]*[\"\047][])][ \t),\r]*$"; PORT_OF_CALL = "^" R["PORT_OF_CALL"]; SETS = "^(-e|--env|--set-env|-E|--environment)$"; PYTHON = "^(python|node|ruby|perl|php|pypy)[0-9.]*$"
  HEX4 = "[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]"; HEX8 = HEX4 HEX4
  n = split("if then else elif fi do done while until for in case esac ! { } exec export nohup sudo env time exit set cd sleep readonly local declare - [ [[ ] ]] return", a, " ")
  for (i = 1; i <= n; i++) KEYWORD[a[i]] = 1
  n = split(U, a, " "); for (i = 1; i <= n; i++) NAMES[a[i]] = 1
  n = split(K, a, " "); for (i = 1; i <= n; i++) know(a[i])
  n = split(H, a, " "); for (i = 1; i <= n; i++) HOSTS[a[i]] = 1
  BEFORE = "0.0 - -: "; for (i = 1; i < 32; i++) ORDINAL[sprintf("%c", i)] = i
  ESCAPE["\""] = "\\\""; ESCAPE["\\"] = "\\\\"; ESCAPE["\t"] = "\\t"; ESCAPE["\r"] = "\\r"; ESCAPE["\b"] = "\\b"; ESCAPE["\f"] = "\\f"
}
{
  if (substr($0, 1, length(N) + 1) == N " ") {
    flush(); kind = "text"; pem = 0; putty = 0; netrc = 0; path = ""
    if ($3 ~ /^(stat|real|links|target|order|tables|closed|owners|hidden|list|absent|more)$/ || $2 == "clock") kind = "raw"
    if ($2 == "nginx-test") kind = "log"
    if ($2 == "journal") kind = "journal"
    if (index(" @UNITS@ ", " " $2 " ")) kind = "unit"
    if ($2 == "@KERNEL@") kind = "kills"
    if ($2 == "@JSON@") kind = "json"
    if ($2 == "spec") { $5 = parts($5); gsub(/\[masked /, "%5Bmasked%20"); gsub(/\]/, "%5D") }    # the page that was asked
    print; next
  }
  if (substr($0, 1, 5 + length(P)) == "==> " P "/") {
    flush(); path = substr($0, 5 + length(P)); sub(/ <==$/, "", path); kind = kind_of(path); pem = 0; putty = 0; netrc = 0
    print; next
  }
  if (kind == "raw") { print; next }
  if (kind == "kills") { if ($0 ~ R["KERNEL_LINE"]) print general($0); next }
  if (kind == "json") { line = $0; gsub(/"key":/, "\002", line); line = general(line); gsub(/\002/, "\"key\":", line); print line; next }
  if (kind == "rules") { at = index($0, "#"); print at ? substr($0, 1, at - 1) comment(substr($0, at), "#") : $0; next }
  if (kind == "argv") { B[++LINES] = $0; next }      # an argument may hold the end of a line
  if (kind == "number") { if (!($0 ~ /^[0-9]*$/ && length($0) < 8) && !($0 ~ /^[0-9-]+ [0-9:]+$/ && length($0) == 19)) $0 = mark($0); print; next }
  if (kind == "journal" && substr($0, 1, 1) == "{") { journal_entry($0); next }
  line = length($0) > LONG ? substr($0, 1, LONG) " [cut]" : $0
  if (kind == "env" || kind == "code" || kind == "script" || kind == "nginx" || kind == "unit") { B[++LINES] = line; next }
  if (line ~ /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/) { pem = 1; print general(line); next }
  if (pem && line !~ /-----BEGIN /) { if (line ~ /-----END [A-Z0-9 ]*PRIVATE KEY-----/) { pem = 0; print line } else print "[redacted: private key]"; next }
  if (putty > 0 && line ~ /^[A-Za-z0-9+\/=]+\r?$/) { putty--; print "[redacted: private key]"; next }
  putty = line ~ /^Private-Lines:[ \t]*[0-9]+[ \t]*\r?$/ ? substr(line, 15) + 0 : 0
  if (netrc && match(line, /^[ \t]*passw(or)?d[ \t]+[^ \t]/)) { print substr(line, 1, RLENGTH - 1) "[redacted: password]"; next }
  netrc = line ~ /^[ \t]*(machine[ \t]+[^ \t]+|default)[ \t]*$/ || netrc && line ~ /^[ \t]*(login|account)[ \t]+[^ \t]+[ \t]*$/
  if (kind == "log" || kind == "journal") { B[++LINES] = line; next }
  print parts(general(line))
}
END { flush() }
