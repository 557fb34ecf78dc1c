# What a bundle shows, for hosts where nothing may be installed: the same walks as fixer/redaction, over the same table
# (R holds its rows, FOLLOWERS the letters behind each letter). No quote of the shell, no interval.
function full(text, row) { return text ~ F[row] }
function masked(text) { return text ~ /^(\[masked [0-9]+\]|\[redacted(:? ?[A-Za-z_.-]+[0-9]?( [a-z]+)?)?\])$/ }
function marks(text) { gsub(/\[masked [0-9]+\]|\[redacted(:? ?[A-Za-z_.-]+[0-9]?( [a-z]+)?)?\]/, "$0", text); return text }
function trim(text) { sub(/^[ \t\r\n\f\v]+/, "", text); sub(/[ \t\r\n\f\v]+$/, "", text); return text }
function mark(text,   key) {
  if (text == "$0" || masked(trim(text))) return text
  key = text
  if (!(key in NUMBER)) NUMBER[key] = ++NUMBERS
  return "[masked " NUMBER[key] "]"
}
function unwritten(word,   n, i) {
  n = 0; word = substr(word, 1, 64)
  for (i = 1; i < length(word); i++) {
    if (substr(word, i, 2) ~ /^[a-z][A-Z]$/) continue
    if (index(FOLLOWERS[tolower(substr(word, i, 1))], tolower(substr(word, i + 1, 1))) == 0) n++
  }
  return n
}
function drawn_part(text,   i, c, now, before, n, rest) {
  if (text ~ /[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]/) return 1
  n = 0; before = -1
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1); now = c ~ /[0-9]/ ? 0 : c ~ /[a-z]/ ? 1 : c ~ /[A-Z]/ ? 2 : -1
    if (before >= 0 && now >= 0 && before != now && !(before == 2 && now == 1)) if (++n > 3) return 1
    before = now
  }
  n = 0; rest = substr(text, 1, 1024)
  while (match(rest, /[A-Za-z][A-Za-z][A-Za-z][A-Za-z]+/)) { n += unwritten(substr(rest, RSTART, RLENGTH)); rest = substr(rest, RSTART + RLENGTH) }
  return n >= (length(text) >= 10 ? 2 : 3)
}
function drawn(run,   at, n) {
  if (run in KNOWN) return 0
  if (run ~ HEX8 "-" HEX4 "-" HEX4 "-" HEX4 "-" HEX8 HEX4) return 1
  while (match(run, /[A-Za-z0-9+~=]+/)) {
    n = RLENGTH; at = RSTART
    if (n >= 8 && !(substr(run, at, n) in KNOWN) && drawn_part(substr(run, at, n))) return 1
    run = substr(run, at + n)
  }
  return 0
}
# The words of a name that the host gives to a part, whole and between its signs: they are no secret.
function know(name,   run, at, n) {
  while (match(name, /[A-Za-z0-9_~+=-]+/)) {
    run = substr(name, RSTART, RLENGTH); name = substr(name, RSTART + RLENGTH)
    if (length(run) < 8 || !drawn(run)) continue
    KNOWN[run] = 1
    while (match(run, /[A-Za-z0-9+~=]+/)) { n = RLENGTH; at = RSTART; if (n >= 8) KNOWN[substr(run, at, n)] = 1; run = substr(run, at + n) }
  }
}
function authorities(text,   out, rest, host, at, port, n) {
  out = ""
  while (match(text, /:\/\/(\[(masked [0-9]+|redacted[^]]*)\]|[^ \t\r\n\f\v"\047<>])+/)) {
    rest = substr(text, RSTART + 3, RLENGTH - 3); out = out substr(text, 1, RSTART + 2); text = substr(text, RSTART + RLENGTH)
    n = index(rest, "/"); host = n ? substr(rest, 1, n - 1) : rest
    at = last(host, "@")
    if (!at) { port = index(host, ":") ? substr(host, last(host, ":") + 1) : ""; if (port != "" && port !~ /^[0-9]+$/ && port !~ /[$]/) at = last(rest, "@") }
    out = out (at && substr(rest, 1, 7) != "[masked" ? mark(substr(rest, 1, at - 1)) substr(rest, at) : rest)
  }
  return out text
}
function last(text, sign,   n, at) { at = 0; while (n = index(substr(text, at + 1), sign)) at += n; return at }
function queries(text,   out, value, n, rest) {
  out = ""
  while (match(text, /([?&;]|%3[Ff]|%26)[A-Za-z0-9_.%-]*(=|%3[Dd])/)) {
    if (RLENGTH > 84) { out = out substr(text, 1, RSTART); text = substr(text, RSTART + 1); continue }
    out = out substr(text, 1, RSTART + RLENGTH - 1); text = substr(text, RSTART + RLENGTH)
    n = match(text, /%26|%3[Bb]|[&; \t\r\n\f\v"\047#]/) ? RSTART - 1 : length(text)
    value = substr(text, 1, n); text = substr(text, n + 1)
    out = out (value == "" || full(value, "PLAIN") || value ~ /^\[(masked|redacted)/ ? value : mark(value))
  }
  return out text
}
function dsns(text,   out) {      # USER:PASSWORD@tcp(ADDRESS)
  out = ""
  while (match(text, /[^ \t\r\f\v"\047=(@:]+:[^ \t\r\f\v"\047(]+@(tcp|unix)\(/)) {
    out = out substr(text, 1, RSTART - 1); text = substr(text, RSTART)
    RLENGTH -= text ~ /^[^(]*@tcp\(/ ? 5 : 6; out = out mark(substr(text, 1, RLENGTH)); text = substr(text, RLENGTH + 1)
  }
  return out text
}
function bots(text,   out, n, said) {      # behind /bot, or a number of so many figures and a long word
  out = ""
  while (match(text, /[0-9]+:[^ \t\r\f\v\/"[]/)) {
    n = RLENGTH - 2; said = substr(text, 1, RSTART - 1); out = out said; text = substr(text, RSTART)
    if (said ~ /\/bot$/) match(text, /^[0-9]+:[^ \t\r\f\v\/"[]+/)
    else if (n < 8 || n > 10 || !match(text, /^[0-9]+:[A-Za-z0-9_-]+/) || RLENGTH < n + 13) { out = out substr(text, 1, n + 1); text = substr(text, n + 2); continue }
    out = out mark(substr(text, 1, RLENGTH)); text = substr(text, RLENGTH + 1)
  }
  return out text
}
function parts(text,   out, run) {
  if (text ~ /:\/\// && index(text, "@")) text = authorities(text)
  if (text ~ /=|%3/) text = queries(text)
  if (text ~ /@(tcp|unix)\(/) text = dsns(text)
  if (text ~ /[0-9]:/) text = bots(text)
  out = ""
  while (match(text, /[A-Za-z0-9_~+=-]+/)) {
    run = substr(text, RSTART, RLENGTH); out = out substr(text, 1, RSTART - 1); text = substr(text, RSTART + length(run))
    out = out (length(run) >= 8 && drawn(run) ? mark(run) : run)
  }
  return out text
}
function value_of(text,   bare) {
  bare = trim(text)
  if (full(bare, "PLAIN") || bare in NAMES) return text
  return full(bare, "SHOWN_VALUE") ? parts(text) : mark(text)
}
function shows(text,   was, said, key) {
  if (full(text, "PLAIN") || text in NAMES) return 1
  if (!full(text, "SHOWN_VALUE")) return 0
  was = NUMBERS; said = parts(text)
  if (NUMBERS > was) { for (key in NUMBER) if (NUMBER[key] > was) delete NUMBER[key]; NUMBERS = was }
  return said == text
}
function defaults(text,   out, name, sign, given, found) {
  out = ""
  while (match(text, /[$][{][A-Za-z_][A-Za-z0-9_]*(:?[-+=?]?)[^{}]*[}]/)) {
    found = substr(text, RSTART + 2, RLENGTH - 3); out = out substr(text, 1, RSTART - 1); text = substr(text, RSTART + length(found) + 3)
    match(found, /^[A-Za-z_][A-Za-z0-9_]*/); name = substr(found, 1, RLENGTH); given = substr(found, RLENGTH + 1)
    match(given, /^:?[-+=?]?/); sign = substr(given, 1, RLENGTH); given = substr(given, RLENGTH + 1)
    out = out "${" name sign (given != "" ? variable(name, given) : "") "}"
  }
  return out text
}
function plainly(text) { gsub(/[$][{][A-Za-z_][A-Za-z0-9_]*(:?[-+=?]?)[^{}]*[}]/, "$0", text); return text }
function inside(text, bare, shown,   at) { at = index(text, bare); return substr(text, 1, at - 1) shown substr(text, at + length(bare)) }
function variable(name, value,   bare, simple, scheme, user, host, rest, n) {
  bare = trim(value); gsub(/^["\047]+|["\047]+$/, "", bare)
  if (bare == "" || full(bare, "PLAIN")) return value
  simple = marks(bare)
  if (simple != bare) return variable(name, simple) == simple ? value : mark(bare)
  if (name ~ /^command_args/) return inside(value, bare, command(bare))
  if (index(bare, "${")) {
    simple = plainly(bare)
    return full(simple, "PLAIN") || full(simple, "PATHLIKE") || shows(simple) ? inside(value, bare, defaults(bare)) : mark(bare)
  }
  if (full(name, "PUBLIC_NAME") && length(bare) < 120 && bare ~ /^([A-Za-z0-9_.\/:*${}-]|\[|\])*$/) return inside(value, bare, parts(bare))
  if (full(bare, "FILE")) return inside(value, bare, parts(bare))
  if (substr(bare, 1, 2) == "--") return inside(value, bare, command(bare))
  if (shows(bare)) return value
  if (!match(bare, /^[a-z][a-z0-9+.-]*:\/\//)) return mark(bare)
  scheme = substr(bare, 1, RLENGTH); rest = substr(bare, RLENGTH + 1); user = ""
  n = match(rest, /[\/?#]/) ? RSTART - 1 : length(rest)
  host = substr(rest, 1, n); rest = substr(rest, n + 1)
  n = last(host, "@"); if (n) { user = substr(host, 1, n - 1); host = substr(host, n + 1) }
  if (host !~ /^([A-Za-z0-9._-]*(:[0-9]*)?|\[[0-9a-fA-F:.]+\](:[0-9]*)?)$/ || drawn(host)) return mark(bare)
  return scheme (user != "" ? mark(user) "@" : "") host (length(rest) > 1 ? substr(rest, 1, 1) mark(substr(rest, 2)) : rest)
}
# Words of a command. S holds what stood before: the word, whether it is the first, the program, whether a script was named.
function start(S) { S["b"] = ""; S["f"] = 1; S["p"] = ""; S["g"] = 0 }
function next_word(word, S,   before, simple, shown, takes, T) {
  before = S["b"]; S["b"] = word
  if (word == "" || S["f"] && word ~ /^(CMD|CMD-SHELL|NONE)$/) return word
  simple = marks(word)
  if (simple != word) { S["b"] = before; return next_word(simple, S) == simple ? word : mark(word) }
  if (index(word, "${")) {
    simple = plainly(word)
    if (simple != word) { S["b"] = before; shown = next_word(simple, S); return shown == simple ? defaults(word) : shown }
  }
  if (before ~ SETS && index(word, "=")) return pair(word)
  if (before ~ /^(-c|-e|--eval)$/ && !S["f"] && !S["g"]) {
    if (S["p"] ~ /^(sh|bash|dash|ash|zsh|ksh)$/) return script_words(word)
    if (S["p"] ~ PYTHON) return word ~ /^from multiprocessing\.[a-z_]+ import [a-z_]+; ?[a-z_]+\([a-z_=0-9, ]*\)$/ ? word : mark(word)
  }
  simple = substr(word, 1, 1) == "-" && (full(word, "OPTION") || full(word, "FLAG"))
  if (is_secret_option(tolower(before)) && !simple) return mark(word)
  if (word ~ /^-[^0-9]/) return option(word)
  takes = substr(before, 1, 1) == "-" && !full(before, "FLAG") && !index(before, "=") && !(length(before) > 2 && substr(before, 1, 2) != "--")
  if (!(takes && word ~ /^[^=]*=+$/) && word ~ /^[A-Za-z_\200-\377][A-Za-z0-9_.\200-\377-]*[+]?=[^\n]*$/) return pair(word)
  if (S["f"] && word ~ /^[a-z][A-Za-z0-9_-]*: /) { S["f"] = 0; return command(word) }
  if (S["f"]) { S["f"] = 0; S["p"] = word; sub(/.*\//, "", S["p"]); return position(word) }
  if (before == "-g") { start_nginx(T); return nginx_line(word, T) }
  if (takes) return given(before, word)
  S["g"] = 1
  return position(word)
}
function option(word,   name, value, at, joined, two) {
  at = index(word, "="); two = substr(word, 1, 2)
  if (!at) {
    if (two == "--" || length(word) < 3) return parts(word)
    joined = substr(word, 3)
    if (joined ~ /^[A-Za-z]+$/ && length(joined) < 4 || full(joined, "PLAIN")) return word
    return two given(two, joined)
  }
  name = substr(word, 1, at - 1); value = substr(word, at + 1)
  if (two != "--" && length(name) > 2 && two ~ SETS) return two pair(substr(word, 3))
  if (name !~ /^--?[A-Za-z][A-Za-z0-9_.-]*$/ || length(name) > 2 && drawn(name)) return two given(two, substr(word, 3))
  if (name ~ SETS && index(value, "=")) return name "=" pair(value)
  if (is_secret_option(tolower(name))) return value != "" ? name "=" mark(value) : word
  return parts(name) "=" given(name, value)
}
function is_secret_option(name) {
  return full(name, "SECRET_SHAPE") && name ~ R["SECRET_WORD"] || full(name, "SECRET_NAME")
}
function given(name, value) {
  if (full(name, "OPTION") || name == "-u" && !index(value, ":")) return position(value)
  return full(value, "PATHLIKE") || name == "-k" && full(value, "WORKER_CLASS") ? parts(value) : value_of(value)
}
function pair(word,   name, n) {
  if (word ~ /\n/ || !match(word, /^[A-Za-z_\200-\377][A-Za-z0-9_.\200-\377-]*[+]?=/)) return mark(word)
  n = RLENGTH; name = substr(word, 1, n - 1); sub(/[+]$/, "", name)
  return drawn(name) ? mark(word) : substr(word, 1, n) variable(name, substr(word, n + 1))
}
function position(word,   bare) {
  bare = word; sub(/[;,:]+$/, "", bare)
  if (bare != word && bare != "") return position(bare) substr(word, length(bare) + 1)
  if (full(word, "PLAIN") || full(word, "POSITION") && length(word) < 200) return parts(word)
  return value_of(word)
}
function unquote(text,   out, n, c, body) {
  out = ""
  while (match(text, /["\047\\]/)) {
    out = out substr(text, 1, RSTART - 1); c = substr(text, RSTART, 1); text = substr(text, RSTART)
    if (c == "\\") { out = out substr(text, 2, 1); text = substr(text, 3); continue }
    n = c == "\047" ? index(substr(text, 2), c) + 1 : ends(text, c)
    if (n < 2) return out text
    out = out substr(text, 2, n - 2); text = substr(text, n + 1)
  }
  return out text
}
# Where the quote that begins a text ends, or 0; a backslash takes the next byte.
function ends(text, quote,   at, c) {
  for (at = 2; at <= length(text); at++) {
    c = substr(text, at, 1)
    if (c == "\\" && quote != "\047") at++
    else if (c == quote) return at
  }
  return 0
}
# A backslash before each quote; in a replacement of gsub awks read it in different ways.
function quotes_escaped(text,   n, i, a, out) {
  n = split(text, a, "\""); out = a[1]
  for (i = 2; i <= n; i++) out = out "\\\"" a[i]
  return out
}
function quoted(text, shown, open_end,   quote, body, n) {
  if (!open_end && match(text, /^-?-?[A-Za-z_][A-Za-z0-9_.-]*[+]?=/)) { n = RLENGTH; if (substr(shown, 1, n) == substr(text, 1, n)) return substr(text, 1, n) "\"" substr(shown, n + 1) "\"" }
  quote = text ~ /^["\047]/ ? substr(text, 1, 1) : shown ~ /[ \047]/ ? "\"" : ""
  body = shown; if (quote == "\"") { gsub(/\\/, "&&", body); body = quotes_escaped(body) }
  return quote body (open_end && text ~ /^["\047]/ ? "" : quote)
}
function walk_words(line, S, breaks,   out, token, bare, shown, c, n) {
  out = ""
  while (line != "") {
    c = substr(line, 1, 1)
    if (match(line, /^[ \t\r\f\v]+/)) { out = out substr(line, 1, RLENGTH); line = substr(line, RLENGTH + 1); continue }
    if (match(line, /^(\|\||&&|;;|[|&;()<>`])/)) { token = substr(line, 1, RLENGTH); out = out token; line = substr(line, RLENGTH + 1); if (breaks && token !~ /^[<>]$/) start(S); continue }
    if (match(line, /^([^ \t\r\f\v|&;()<>`"\047\\]|\\.|"([^"\\]|\\.)*"|\047[^\047]*\047)+/)) {
      token = substr(line, 1, RLENGTH)
      if (breaks && c == "#") return out "# " mark(trim(substr(line, 2)))
      line = substr(line, length(token) + 1); bare = unquote(token)
      shown = breaks && token in KEYWORD ? bare : next_word(bare, S)
      out = out (shown == bare ? token : quoted(token, shown, 0)); continue
    }
    if (c == "\\") { out = out c; line = substr(line, 2); continue }
    bare = unquote(substr(line, 2)); shown = next_word(bare, S)
    return out (shown == bare ? line : quoted(line, shown, 1))
  }
  return out
}
function command(line,   S) { start(S); return walk_words(line, S, 0) }
function script_words(line,   S) { start(S); return walk_words(line, S, 1) }
# nginx: T holds the statement that is read, the blocks around it and an open quote.
function start_nginx(T) { T["name"] = ""; T["at"] = 0; T["open"] = 0; T["deep"] = 0; T["quote"] = ""; T["lua"] = 0; T["target"] = ""; T["begins"] = 1 }
function nginx_line(line, T) { return T["lua"] ? lua_line(line, T) : T["quote"] != "" ? nginx_quoted(line, T) : nginx_words(line, T) }
function nginx_words(line, T,   out, c, token, value, shown, n) {
  out = ""; T["begins"] = 1
  while (line != "") {
    c = substr(line, 1, 1)
    if (match(line, /^[ \t\r\f\v]+/)) { out = out substr(line, 1, RLENGTH); line = substr(line, RLENGTH + 1); continue }
    if (c == "#") return out comment(line, "#")
    if (c ~ /[;{}]/) {
      out = out c; line = substr(line, 2)
      if (c == "{") {
        if (T["name"] ~ /_by_lua_block$/) T["lua"] = 1
        T[++T["deep"]] = full(T["name"], "NGINX_CHOICE") ? (T["open"] ? "open" : "closed") : T["name"]
      } else if (c == "}" && T["deep"]) T["deep"]--
      T["name"] = ""; T["at"] = 0; T["open"] = 0
      if (T["lua"]) return out lua_line(line, T)
      continue
    }
    if (c == "\"" || c == "\047") {
      n = nginx_ends(line, c)
      if (!n) { T["quote"] = c; return out c nginx_word(substr(line, 2), T, 1) }
      value = substr(line, 2, n - 2); line = substr(line, n + 1); shown = nginx_word(value, T, 1)
      out = out c shown c; continue
    }
    if (!match(line, /^([^ \t\r\f\v;{}"\047#\\$]|\\.|[$][{]*)([^ \t\r\f\v;{\\$]|\\.|[$][{]*)*\\?/)) return out c nginx_word(substr(line, 2), T, 1)
    value = substr(line, 1, RLENGTH); line = substr(line, RLENGTH + 1); shown = nginx_word(value, T, 0)
    out = out (shown == value ? value : "\"" shown "\"" (value ~ /\)$/ && T["name"] == "if" ? ")" : ""))
  }
  return out
}
function nginx_ends(text, quote,   at, c) {
  for (at = 2; at <= length(text); at++) { c = substr(text, at, 1); if (c == "\\") at++; else if (c == quote) return at }
  return 0
}
function nginx_word(value, T, inner,   block, at, simple) {
  block = T["deep"] ? T[T["deep"]] : ""
  if (T["begins"] && T["at"] && !inner && value in DIRECTIVE && !(T["name"] in DIRECTIVE)) { T["name"] = value; T["at"] = 0 }
  T["begins"] = 0; at = T["at"]; T["at"]++
  if (at == 0) {
    T["name"] = value
    if (block == "open" || block == "closed") {
      if (value ~ /^(default|hostnames|include|volatile|delete|proxy|proxy_recursive|ranges)$/ || full(value, "PLAIN") || full(value, "NGINX_KEY")) return value
      return block == "open" ? parts(value) : mark(value)
    }
    if (block == "types" || block == "charset_map") return parts(value)
    return value ~ /^[A-Za-z_][A-Za-z0-9_]*$/ && !drawn(value) ? value : mark(value)
  }
  simple = marks(value)
  if (simple != value) return nginx_judged(simple, at, block, inner, T) == simple ? value : mark(value)
  return nginx_judged(value, at, block, inner, T)
}
function nginx_judged(value, at, block, inner, T,   name) {
  name = T["name"]
  if (block == "open" || block == "closed") return nginx_value(value, T["target"])
  if (block == "types" || block == "charset_map" || !inner && value in DIRECTIVE) return parts(value)
  if (name == "if") return nginx_condition(value, at, T)
  if (full(name, "NGINX_CHOICE") && (at == 1 || name == "map")) { if (at == 1 && full(value, "NGINX_COMPARED_ALL")) T["open"] = 1; T["target"] = value; return parts(value) }
  if (full(name, "NGINX_SHOW")) return parts(value)
  if (full(name, "NGINX_HEADER_OF")) {
    if (at == 1) { T["open"] = full(tolower(value), "NGINX_HEADER"); return value ~ /^[A-Za-z_-][A-Za-z0-9_-]*$/ && !drawn(value) ? value : mark(value) }
    return T["open"] ? parts(value) : full(value, "PLAIN") ? value : mark(value)
  }
  if (name == "set" && at == 1) T["target"] = value
  if (name == "set" && (at == 1 || substr(value, 1, 1) == "$")) return parts(value)
  if (name == "set") return nginx_value(value, T["target"])
  if ((name == "return" || name == "auth_request_set") && full(value, "GOAL")) return parts(value)
  if (name == "log_format") return at == 1 || full(value, "NGINX_FORMAT") ? value : mark(value)
  return full(value, "PLAIN") ? value : mark(value)
}
function nginx_value(value, target) {
  gsub(/[{}]/, "", target)
  return target in NAMES && value ~ /^[A-Za-z0-9_.-]+$/ && length(value) < 65 ? parts(value) : value_of(value)
}
function nginx_condition(value, at, T,   left, right, bare, shown) {
  left = substr(value, 1, 1) == "(" ? "(" : ""; bare = substr(value, length(left) + 1); right = ""
  if (bare ~ /\)$/ && count(bare, ")") > count(bare, "(")) { right = ")"; bare = substr(bare, 1, length(bare) - 1) }
  if (at == 1) T["open"] = full(bare, "NGINX_COMPARED_ALL") || bare ~ /^(!?-[fdex])?$/
  if (full(bare, "PLAIN")) return value
  shown = T["open"] ? parts(bare) : mark(bare)
  return shown == bare ? value : left shown
}
function count(text, sign,   n, at) { n = 0; while (at = index(text, sign)) { n++; text = substr(text, at + 1) } return n }
function nginx_quoted(line, T,   first, shown, n, quote, U) {
  first = trim(line); sub(/[ \t].*/, "", first); sub(/;+$/, "", first); quote = T["quote"]
  if (first in DIRECTIVE || first == "}" || first == "#") { start_nginx(U); shown = nginx_words(line, U) }
  else {
    n = nginx_ends(quote line, quote)
    first = n ? substr(line, 1, n - 2) : line
    shown = trim(first) != "" ? mark(first) : first
    if (n) { T["quote"] = ""; return shown quote nginx_words(substr(line, n), T) }
  }
  while (n = nginx_ends(quote line, quote)) { line = substr(line, n); T["quote"] = T["quote"] == "" ? quote : "" }
  return shown
}
function lua_line(line, T,   at, c, body) {
  for (at = 1; at <= length(line); at++) {
    c = substr(line, at, 1); if (c == "{") T["lua"]++; if (c == "}") T["lua"]--
    if (!T["lua"]) {
      body = substr(line, 1, at - 1); if (T["deep"]) T["deep"]--
      T["name"] = ""; T["at"] = 0; T["open"] = 0
      return (trim(body) != "" ? mark(body) : body) "}" nginx_words(substr(line, at + 1), T)
    }
  }
  return trim(line) != "" ? mark(line) : line
}
function comment(text, sign,   body, said, lead, end, word, low, rest) {
  body = substr(text, length(sign) + 1); said = trim(body)
  if (said !~ /[A-Za-z0-9\200-\377]/) return text
  lead = match(body, /^[ \t\r\f\v]+/) ? substr(body, 1, RLENGTH) : " "
  end = text ~ /\r$/ ? "\r" : ""
  if (!match(tolower(said), R["HEADER"])) return sign lead mark(said) end
  word = substr(said, RSTART, RLENGTH)
  rest = trim(trim(substr(said, 1, RSTART - 1)) " " trim(substr(said, RSTART + RLENGTH)))
  return sign lead word (rest != "" ? " " mark(rest) : "") end
}
# Units and files of supervisord: U holds the setting that goes on.
function start_unit(U) { U["name"] = ""; U["stay"] = ""; U["listed"] = 0; start(U) }
function unit_line(line, U,   body, end, name, head, value, stop, found) {
  body = trim(line); end = line ~ /\r$/ ? "\r" : ""
  if (body ~ /^[#;]/) { match(line, /^[ \t\r\f\v]*/); return substr(line, 1, RLENGTH) comment(substr(line, RLENGTH + 1), substr(body, 1, 1)) }
  sub(/\r$/, "", line); name = ""; head = ""; value = line
  if (U["name"] == "" && match(line, /^[ \t]*[A-Za-z_][A-Za-z0-9_.-]*[ \t]*=[ \t]*/) && !(U["stay"] != "" && line ~ /^[ \t]/)) {
    head = substr(line, 1, RLENGTH); value = substr(line, RLENGTH + 1); name = tolower(trim(head)); sub(/[ \t]*=$/, "", name)
  } else if (U["name"] != "") name = U["name"]
  else if (U["stay"] != "" && line ~ /^[ \t]/) name = U["stay"]
  else { U["stay"] = ""; return body == "" || body ~ /^\[.*\]$/ ? line end : mark(body) end }
  if (head ~ /^environment/) U["listed"] = 1
  if (head != "") start(U)
  stop = match(value, /[ \t]*\\?$/) ? substr(value, RSTART) : ""
  found = head unit_value(name, value, U) end
  U["name"] = trim(value) ~ /\\$/ ? name : ""
  U["stay"] = U["name"] == "" && name ~ /^(environment|command|files)$/ ? name : ""
  return found
}
function unit_value(name, value, U,   stop, lead, body, shown, n) {
  stop = match(value, /[ \t]*\\?\r?$/) ? substr(value, RSTART) : ""; body = substr(value, 1, length(value) - length(stop))
  lead = match(body, /^[ \t\r\f\v]+/) ? substr(body, 1, RLENGTH) : ""; body = substr(body, length(lead) + 1)
  if (body == "" || full(body, "PLAIN")) shown = body
  else if (name == "environment") shown = pairs_of(body, U["listed"])
  else if (name ~ /^setcredential/) { n = index(body, ":"); shown = n ? substr(body, 1, n) mark(substr(body, n + 1)) : mark(body) }
  else if (body ~ /^[{].*argv\[\]=/) shown = shown_argv(body)
  else if (full(name, "UNIT_NAMES")) shown = body
  else if (full(name, "UNIT_SHOW")) shown = parts(body)
  else if (full(name, "UNIT_COMMAND")) { match(body, /^[@:+!|-]*/); n = RLENGTH; shown = substr(body, 1, n) walk_words(substr(body, n + 1), U, 0) }
  else shown = mark(body)
  return lead shown stop
}
function shown_argv(body,   out, said, n) {
  out = ""
  while (n = index(body, "argv[]=")) {
    out = out substr(body, 1, n + 6); body = substr(body, n + 7)
    n = match(body, / ?; /) ? RSTART - 1 : length(body)
    out = out command(substr(body, 1, n)); body = substr(body, n + 1)
  }
  return out body
}
function pairs_of(text, listed,   out, c, name, sign, value, n, shown, bare, whole, stop) {
  out = ""
  while (text != "") {
    c = substr(text, 1, 1)
    if (c ~ /["\047]/ && match(text, /^["\047][A-Za-z_\200-\377][A-Za-z0-9_.\200-\377-]*=/)) {
      name = substr(text, 2, RLENGTH - 2); n = nginx_ends(c substr(text, RLENGTH + 1), c); stop = n ? c : ""
      value = n ? substr(text, length(name) + 3, n - 2) : substr(text, length(name) + 3)
      out = out c name "=" variable(name, value) stop; text = substr(text, length(name) + 3 + length(value) + (n ? 1 : 0)); continue
    }
    if (match(text, /^[A-Za-z_\200-\377][A-Za-z0-9_.\200-\377-]*[ \t]*=[ \t]*/)) {
      sign = substr(text, 1, RLENGTH); name = sign; sub(/[ \t]*=[ \t]*$/, "", name); text = substr(text, RLENGTH + 1)
      n = pair_end(text); value = substr(text, 1, n); text = substr(text, n + 1)
      if (drawn(name)) { out = out "\"" mark(sign value) "\""; continue }
      bare = value ~ /^".*"$/ && length(value) > 1 || value ~ /^\047.*\047$/ && length(value) > 1 ? substr(value, 2, length(value) - 2) : value
      shown = variable(name, bare)
      out = out (shown == bare ? sign value : listed ? sign "\"" shown "\"" : "\"" name "=" shown "\""); continue
    }
    if (c ~ /[ \t\r\f\v,]/) { out = out c; text = substr(text, 2); continue }
    n = match(text, /[ \t\r\f\v,]/) ? RSTART - 1 : length(text); value = substr(text, 1, n); text = substr(text, n + 1)
    out = out (value == "\\" || value == "%" ? value : mark(value))
  }
  return out
}
function pair_end(text,   at, c, n, rest) {
  at = 1
  while (at <= length(text)) {
    c = substr(text, at, 1); rest = substr(text, at)
    if (match(rest, /^\[(masked|redacted)[^]]*\]/)) { at += RLENGTH; continue }
    if (c == "\\" && at < length(text)) { at += 2; continue }
    if (c == "\"" || c == "\047") { n = nginx_ends(rest, c); at += n ? n : length(rest); continue }
    if (c == ",") { if (!match(rest, /^,[^ \t\r\f\v=]+([ \t\r\f\v]|$)/) || RLENGTH > 82) return at - 1; at++; continue }
    if (c ~ /[ \t\r\f\v\\]/) return at - 1
    at++
  }
  return at - 1
}
# Lines NAME=VALUE, and scripts; `B` holds the lines of a file, since a quote may end far below.
function assignments_of(n, script,   i, j, line, body, said, quote, goes_on, end, head, name, value, sign, stop, inner, S, shown) {
  quote = ""; goes_on = 0; start(S)
  for (j = 1; j <= 2; j++) {      # for each line: whether the next such quote ends a value
    sign = j == 1 ? "\"" : "\047"; inner = 0
    for (i = n; i > 0; i--) {
      stop = nginx_ends_of(sign B[i], sign)
      if (stop) { value = trim(substr(B[i], stop)); inner = value == "" || substr(value, 1, 1) == "#" }
      CLOSES[sign, i] = inner
    }
  }
  for (i = 1; i <= n; i++) {
    line = B[i]; end = line ~ /\r$/ ? "\r" : ""; body = line; sub(/\r+$/, "", body); said = trim(body)
    if (quote != "") {
      if (quote == "\\") { stop = body !~ /\\$/; inner = body; sub(/\\+$/, "", inner); value = stop ? "" : "\\" }
      else { stop = nginx_ends_of(quote body, quote); inner = stop ? substr(body, 1, stop - 2) : body; if (!stop) sub(/\\+$/, "", inner); value = stop ? quote : "" }
      print (trim(inner) != "" ? mark(trim(inner)) : "") value end
      if (stop) quote = ""
      continue
    }
    if (said ~ /^[#;]/) {
      if (i == 1 && said ~ /^#!/) { print line; continue }
      match(body, /^[ \t\r\f\v]*/); print substr(body, 1, RLENGTH) comment(substr(body, RLENGTH + 1), substr(said, 1, 1)) end; continue
    }
    head = ""
    if (!goes_on && match(body, /^(\357\273\277)?[ \t]*((export|readonly|local|declare|typeset)[ \t]+(-[A-Za-z]+[ \t]+)*)?[A-Za-z_\200-\377][A-Za-z0-9_.\200-\377-]*[ \t]*[+]?=[ \t]*/)) {
      head = substr(body, 1, RLENGTH); value = substr(body, RLENGTH + 1)
      name = head; sub(/[ \t]*[+]?=[ \t]*$/, "", name); sub(/^(\357\273\277)?[ \t]*((export|readonly|local|declare|typeset)[ \t]+(-[A-Za-z]+[ \t]+)*)?/, "", name)
      if (drawn(name) || script && runs(value)) head = ""
    }
    if (head != "") {
      sign = substr(value, 1, 1); OPEN = ""
      shown = assigned(name, value)
      if (OPEN != "" && OPEN != "\\" && i < n && !CLOSES[OPEN, i + 1]) OPEN = ""
      quote = OPEN; print head shown end; continue
    }
    if (script) { if (!goes_on) start(S); goes_on = body ~ /\\$/; print walk_words(body, S, 1) end; continue }
    print (said == "" || said ~ /^\[.*\]$/ ? body : mark(said)) end
  }
}
function nginx_ends_of(text, quote) { return quote == "\"" ? nginx_ends(text, quote) : index(substr(text, 2), quote) ? index(substr(text, 2), quote) + 1 : 0 }
function runs(value,   n, rest, words) {
  if (value ~ /^["\047]/) { n = index(substr(value, 2), substr(value, 1, 1)); rest = n ? trim(substr(value, n + 2)) : ""; return n && rest != "" && rest !~ /^#/ }
  rest = value; sub(/#.*/, "", rest); n = split(trim(rest), words, /[ \t\r\f\v]+/)
  return n > 1 || value ~ /[;&]/
}
function assigned(name, value,   sign, at, inner, rest, bare, n, said) {
  sign = substr(value, 1, 1)
  if (sign == "\"" || sign == "\047") {
    at = nginx_ends_of(value, sign)
    if (!at) { OPEN = sign; return sign mark(substr(value, 2)) }
    inner = substr(value, 2, at - 2); rest = substr(value, at + 1)
    if (trim(rest) != "") rest = trim(rest) ~ /^#/ ? " " comment(trim(rest), "#") : mark(rest)
    return sign variable(name, inner) sign rest
  }
  bare = value; sub(/[ \t]+$/, "", bare)
  if (bare ~ /\\$/) { OPEN = "\\"; bare = substr(bare, 1, length(bare) - 1); return (trim(bare) != "" ? mark(bare) : "") "\\" }
  n = index(bare, " #"); said = n ? " " comment("#" substr(bare, n + 2), "#") : ""
  return variable(name, n ? substr(bare, 1, n - 1) : bare) said
}
# Code: C holds the quote or comment that is open.
function code_line(line, C, slashes,   out, before, n, sign, value, at, rest) {
  out = ""
  if (C["open"] != "") {
    n = C["open"] == "*/" ? index(line, "*/") : code_ends(line, C["open"])
    value = n ? substr(line, 1, n - 1) : line; sign = n ? C["open"] : ""
    out = (trim(value) != "" ? mark(trim(value)) : value) sign
    if (!n) { if (C["open"] ~ /^["\047]$/ && !escapes(value)) C["open"] = ""; return out }
    line = substr(line, n + length(C["open"])); C["open"] = ""
  }
  before = ""
  while (match(line, slashes ? "[\"\047`]|//|/[*]" : "[\"\047`#]")) {
    at = RSTART; rest = substr(line, at); out = out between(substr(line, 1, at - 1)); before = before substr(line, 1, at - 1)
    if (rest ~ /^(#|\/\/)/) return out (rest ~ /^#!/ || substr(rest, 1, 20) ~ /coding/ ? rest : comment(rest, rest ~ /^#/ ? "#" : "//"))
    if (rest ~ /^\/\*/) {
      n = index(substr(rest, 3), "*/"); value = n ? substr(rest, 3, n - 1) : substr(rest, 3)
      out = out comment("/*" value, "/*"); if (!n) { C["open"] = "*/"; return out }
      out = out "*/"; line = substr(rest, n + 4); before = before substr(rest, 1, n + 3); continue
    }
    sign = rest ~ /^("""|\047\047\047)/ ? substr(rest, 1, 3) : substr(rest, 1, 1)
    n = code_ends(substr(rest, length(sign) + 1), sign)
    if (!n) {
      value = substr(rest, length(sign) + 1)
      if (length(sign) == 3 || sign == "`" || escapes(value)) { C["open"] = sign; return out sign (trim(value) != "" ? mark(trim(value)) : value) }
      return out sign code_judged(value, before, "")
    }
    value = substr(rest, length(sign) + 1, n - 1); line = substr(rest, 2 * length(sign) + n)
    out = out sign code_judged(value, before, line) sign; before = before substr(rest, 1, 2 * length(sign) + n - 1)
    if (length(before) > 120) before = substr(before, length(before) - 119)
  }
  return out between(line)
}
function escapes(text) { return match(text, /\\+$/) && RLENGTH % 2 }
function code_ends(text, sign,   at) {
  for (at = 1; at <= length(text); at++) { if (substr(text, at, 1) == "\\") at++; else if (substr(text, at, length(sign)) == sign) return at }
  return 0
}
function between(text,   out, run, word) {
  out = ""
  while (match(text, /[A-Za-z0-9_.]+/)) {
    run = substr(text, RSTART, RLENGTH); out = out substr(text, 1, RSTART - 1); text = substr(text, RSTART + length(run))
    if (run ~ /^[0-9]+$/ && length(run) > 8) { out = out mark(run); continue }
    while (match(run, /[A-Za-z0-9_]+/)) {
      word = substr(run, RSTART, RLENGTH); out = out substr(run, 1, RSTART - 1); run = substr(run, RSTART + length(word))
      out = out (length(word) > 9 && drawn(word) ? mark(word) : word)
    }
    out = out run
  }
  return out text
}
function code_judged(value, before, after,   name, simple) {
  if (value == "" || full(value, "PLAIN")) return value
  simple = marks(value)
  if (simple != value) return code_judged(simple, before, after) == simple ? value : mark(value)
  name = ""
  if (match(before, /(^|[^A-Za-z0-9_.])["\047]?[A-Za-z_][A-Za-z0-9_]*["\047]?[ \t]*[=:][ \t]*[[({]?[ \t]*[fbrFBR]?[fbrFBR]?$/)) { name = substr(before, RSTART); sub(/["\047]?[ \t]*[=:][ \t]*[[({]?[ \t]*[fbrFBR]?[fbrFBR]?$/, "", name); sub(/^.*[^A-Za-z0-9_]/, "", name) }
  if (name != "" && full(tolower(name), "CODE_NAME")) return name == "args" ? command(value) : parts(value)
  if (before ~ /(environ|ENV|env|getenv|config|get|fetch|pop|setdefault)[ \t]*[[(.][ \t]*$/ && value ~ /^[A-Za-z_][A-Za-z0-9_]*$/ && !drawn(value)) return value
  if (after ~ /^[ \t]*:/ && value ~ /^[A-Za-z_][A-Za-z0-9_]*$/ && !drawn(value)) return value
  if (value in HOSTS && after ~ PORT_OF_CALL && before ~ R["CALLED"]) return value
  if (match(before, /["\047][A-Za-z_][A-Za-z0-9_]*["\047][ \t]*,[ \t]*$/)) { simple = substr(before, RSTART + 1); sub(/["\047].*/, "", simple); return variable(simple, value) }
  if (match(value, /^[A-Za-z_][A-Za-z0-9_]*=./)) { simple = substr(value, 1, RLENGTH - 2); if (!drawn(simple)) return simple "=" variable(simple, substr(value, length(simple) + 2)) }
  if (name != "") return variable(name, value)
  return full(value, "CODE_TEXT") ? parts(value) : value_of(value)
}
# Lines of logs, masked behind their time.
function time_end(line) { return match(line, TIME) ? RLENGTH : 0 }
function hide(value,   bare) { bare = value; gsub(/^["\047]+|["\047]+$/, "", bare); return bare ~ /^\[(masked|redacted:?|redacted\])$/ || value ~ /^\[masked / ? value : value_of(value) }
function log_line(line,   n, head, body, end, C) {
  n = time_end(line); head = substr(line, 1, n); body = substr(line, n + 1)
  if (trim(body) == "") return line
  if (tolower(body) !~ R["TELLING"]) { end = body ~ /\r$/ ? "\r" : ""; return head mark(trim(body)) end }
  if (index(body, "?") && index(body, ", request: \"")) body = asked(body)
  body = json_pairs(body)
  if (body ~ /[\200-\377]|->/) body = foreign(body)
  if (match(body, CODE_LINE) && substr(body, RSTART + RLENGTH) ~ /["\047]/) { C["open"] = ""; body = code_line(body, C, 0) }
  return head last_word(drawn_words(parts(general(body))))
}
# What a line ends with behind a name, if it seems drawn: letters that no word has, or a mix that names no program.
function last_word(text,   word) {
  if (!match(text, /[:=] [A-Za-z0-9_.=-]+$/)) return text
  word = substr(text, RSTART + 2)
  if (length(word) < 12 || length(word) > 80 || word in KNOWN) return text
  if (word ~ /^[a-z]+$/) return unwritten(word) ? substr(text, 1, RSTART + 1) mark(word) : text
  if (word !~ /[0-9]/ || word !~ /[a-z]/ || word !~ /[A-Z]/) return text
  return word ~ /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/ ? text : substr(text, 1, RSTART + 1) mark(word)
}
# The arguments of a request that a log of nginx quotes.
function asked(text,   out, n, inner, value) {
  out = ""
  while (match(text, /, (request|subrequest|referrer): "/)) {
    out = out substr(text, 1, RSTART + RLENGTH - 1); text = substr(text, RSTART + RLENGTH)
    n = index(text, "\""); if (!n) break
    inner = substr(text, 1, n - 1); text = substr(text, n)
    while (match(inner, /[?&][^=& \t\r\f\v]+/)) {
      out = out substr(inner, 1, RSTART + RLENGTH - 1); inner = substr(inner, RSTART + RLENGTH)
      if (substr(inner, 1, 1) != "=") continue
      match(inner, /^=[^& \t\r\f\v]*/); value = substr(inner, 2, RLENGTH - 1); inner = substr(inner, RLENGTH + 1)
      out = out "=" (full(value, "PLAIN") ? value : hide(value))
    }
    out = out inner
  }
  return out text
}
function json_pairs(text,   out, key, n, value) {
  if (!index(text, "\": \"") || !index(text, "{")) return text
  out = ""
  while (match(text, /"[^"\\ \t]+": "/)) {
    key = substr(text, RSTART + 1, RLENGTH - 5); out = out substr(text, 1, RSTART + RLENGTH - 1); text = substr(text, RSTART + RLENGTH)
    n = code_ends(text, "\""); if (!n) break
    value = substr(text, 1, n - 1); out = out (full(key, "LOG_KEY") ? value : hide(value)) "\""; text = substr(text, n + 1)
  }
  return out text
}
# Behind a name in another script, a wide sign or an arrow; a name in ASCII takes no other name for its value.
function foreign(text,   out, head, name, value, n) {
  out = ""
  while (match(text, /[:=]>?|->|\357\274\232|\357\274\235|\342\206\222|\346\230\257/)) {
    head = substr(text, 1, RSTART + RLENGTH - 1); value = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
    name = substr(head, 1, length(head) - length(value)); out = out head
    if (!match(name, /[^ \t\r\f\v,;{("\047>]+["\047]?[ \t]*$/)) continue
    name = substr(name, RSTART) value; gsub(/\342\200[\230-\237]/, "", name)      # quotes around any name
    if (name !~ /[\200-\377]|->/) continue
    if (!match(text, /^[ \t]*[^ \t\r\f\v,;]/)) continue
    out = out substr(text, 1, RLENGTH - 1); text = substr(text, RLENGTH)
    n = match(text, /[ \t\r\f\v,;]/) ? RSTART - 1 : length(text); out = out hide(substr(text, 1, n)); text = substr(text, n + 1)
  }
  text = out text; out = ""
  while (match(text, /[\200-\377][ \t\r\f\v]+[!-~][!-~][!-~][!-~][!-~][!-~][!-~][!-~]+/)) {
    value = substr(text, RSTART, RLENGTH); out = out substr(text, 1, RSTART - 1); text = substr(text, RSTART + RLENGTH)
    match(value, /^[^!-~]+/); out = out substr(value, 1, RLENGTH) hide(substr(value, RLENGTH + 1))
  }
  return out text
}
function drawn_words(text,   out, word) {
  if (text !~ /[!%^+~*#$&?@]/) return text
  out = ""
  while (match(text, /[^] \t\r\f\v"\047<>()[{},;:\/|\\\200-\377]+/)) {
    word = substr(text, RSTART, RLENGTH); out = out substr(text, 1, RSTART - 1); text = substr(text, RSTART + length(word))
    out = out (length(word) > 11 && word ~ /[0-9]/ && word ~ /[a-z]/ && word ~ /[A-Z]/ && word ~ /[!%^+~*#$&?@]/ ? mark(word) : word)
  }
  return out text
}
# Entries of the journal in JSON: the lines of a message go to those that are masked together, each behind BEFORE, so
# that nothing in it counts as the time of a line. HEADS holds what is shown of the other fields, TAIL where one ends.
function unjson(text,   out, c, n) {
  out = ""
  while (n = index(text, "\\")) {
    out = out substr(text, 1, n - 1); c = substr(text, n + 1, 1)
    if (c == "u") { out = out utf8(tolower(substr(text, n + 2, 4))); text = substr(text, n + 6); continue }
    out = out (c == "n" ? "\n" : c == "t" ? "\t" : c == "r" ? "\r" : c == "b" ? "\b" : c == "f" ? "\f" : c)
    text = substr(text, n + 2)
  }
  return out text
}
function utf8(hex,   v, i) {
  v = 0
  for (i = 1; i <= 4; i++) v = v * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
  if (v < 1 || v > 55295) return "?"
  if (v < 128) return sprintf("%c", v)
  if (v < 2048) return sprintf("%c%c", 192 + int(v / 64), 128 + v % 64)
  return sprintf("%c%c%c", 224 + int(v / 4096), 128 + int(v / 64) % 64, 128 + v % 64)
}
function octets(text,   out, n, i, a) {
  out = ""; n = split(text, a, ",")
  for (i = 1; i <= n && i <= LONG; i++) out = out (a[i] + 0 > 0 && a[i] + 0 < 256 ? sprintf("%c", a[i] + 0) : "?")
  return out
}
function json_text(text,   out, c) {
  out = ""
  while (match(text, /[\001-\037"\\]/)) {
    c = substr(text, RSTART, 1); out = out substr(text, 1, RSTART - 1); text = substr(text, RSTART + 1)
    out = out (c in ESCAPE ? ESCAPE[c] : sprintf("\\u%04x", ORDINAL[c]))
  }
  return out text
}
function journal_field(key, value) {
  if (full(key, "JOURNAL_NAME")) return json_text(parts(value))
  if (key == "MESSAGE_ID" && full(value, "JOURNAL_ID")) return value
  if (full(key, "JOURNAL_TIME") && full(value, "JOURNAL_NUMBER")) return value
  if (full(key, "JOURNAL_COUNT") && full(value, "JOURNAL_SHORT_NUMBER")) return value
  return full(key, "JOURNAL_WORD") && full(value, "JOURNAL_WORD_VALUE") ? value : ""
}
# The value at the start of a text goes to VALUE; returned is how long it is, or 0.
function json_value(text,   n, all) {
  VALUE = ""
  if (text ~ /^"/) { n = ends(text, "\""); if (n) VALUE = unjson(substr(text, 2, n < 4 * LONG ? n - 2 : 4 * LONG)); return n }
  if (match(text, /^\[[0-9, ]*\]/)) { n = RLENGTH; VALUE = octets(substr(text, 2, n - 2)); return n }
  if (match(text, /^\[ *"/)) {     # a field that an entry has several times: the first one counts
    all = RLENGTH - 1
    for (;;) {
      n = ends(substr(text, all + 1), "\""); if (!n) return 0
      if (VALUE == "") VALUE = unjson(substr(text, all + 2, n < 4 * LONG ? n - 2 : 4 * LONG))
      all += n
      if (match(substr(text, all + 1), /^ *\]/)) return all + RLENGTH
      if (!match(substr(text, all + 1), /^ *, *"/)) return 0
      all += RLENGTH - 1
    }
  }
  return match(text, /^[a-z0-9.+-]+/) ? RLENGTH : 0
}
function journal_entry(line,   rest, key, head, said, has, shown, n, i, a) {
  head = ""; said = ""; has = 0; rest = substr(line, 2)
  while (match(rest, /^[ ,]*"[A-Za-z0-9_.]*" *: */)) {
    key = substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1); gsub(/[^A-Za-z0-9_.]/, "", key)
    n = json_value(rest); if (!n) break
    rest = substr(rest, n + 1)
    if (key == "MESSAGE") { said = VALUE; has = 1 }
    else { shown = journal_field(key, VALUE); if (shown != "") head = head ",\"" key "\":\"" shown "\"" }
  }
  if (rest !~ /^ *\}[ \r]*$/) { HEADS[++LINES] = mark(trim(line)); TAIL[LINES] = 2; B[LINES] = ""; return }
  head = "{" substr(head, 2)
  if (!has) { HEADS[++LINES] = head "}"; TAIL[LINES] = 2; B[LINES] = ""; return }
  n = split(said, a, "\n"); if (!n) { n = 1; a[1] = "" }
  HEADS[LINES + 1] = head (head == "{" ? "" : ",") "\"MESSAGE\":\""
  for (i = 1; i <= n; i++) { B[++LINES] = BEFORE (length(a[i]) > LONG ? substr(a[i], 1, LONG) " [cut]" : a[i]); TAIL[LINES] = i == n }
}
function tell(i, text) {
  if (!(i in TAIL)) { print text; return }
  if (TAIL[i] == 2) { print HEADS[i]; return }
  printf "%s%s%s", (i in HEADS ? HEADS[i] : ""), json_text(substr(text, length(BEFORE) + 1)), (TAIL[i] ? "\"}\n" : "\\n")
}
function flush(   i, n, C, T, U, frame, at) {
  n = LINES; LINES = 0
  if (!n) return
  if (kind == "argv") { print argv_of(n); return }
  if ((kind == "env" || kind == "script") && B[1] ~ /^#!.*(python|node|ruby)/) { kind = "code"; if (B[1] !~ /node/) path = path ".py" }
  if (kind == "env" || kind == "script") { if (B[1] ~ /^#!/) kind = "script"; assignments_of(n, kind == "script"); return }
  start_nginx(T); start_unit(U); C["open"] = ""; frame = 0
  for (i = 1; i <= n; i++) {
    if (kind == "nginx") print nginx_line(B[i], T)
    else if (kind == "unit") print unit_line(B[i], U)
    else if (kind == "code") print code_line(B[i], C, path !~ /\.(py|rb)$/)
    else {
      at = time_end(B[i])
      if (i < n && length(B[i]) - at < 66 && substr(B[i], at + 1) ~ /^[A-Za-z_][A-Za-z0-9_]*\r?$/ && substr(B[i + 1], time_end(B[i + 1]) + 1) ~ /^[ \t]+[Ff]ield required/) tell(i, B[i])
      else if (frame && substr(B[i], at + 1) ~ /^[ \t]+[^ \t]/ && substr(B[i], at + 1) !~ FRAME) { C["open"] = ""; tell(i, substr(B[i], 1, at) code_line(substr(B[i], at + 1), C, 0)) }
      else tell(i, log_line(B[i]))
      frame = substr(B[i], at + 1) ~ FRAME
    }
  }
  for (i in TAIL) delete TAIL[i]
  for (i in HEADS) delete HEADS[i]
}
