'use strict';
// A small back office: a login page, a signed session, a dashboard, and a report that takes its time.

const crypto = require('crypto');
const http = require('http');
const { parseArgs } = require('util');

const settings = require('./settings');

const COOKIE = 'session';
const LIFETIME = 12 * 3600;
const LONGEST_REPORT = 30;

const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
const sign = (text) => crypto.createHmac('sha256', settings.signingKey).update(text).digest('hex');
const same = (one, other) => one.length === other.length && crypto.timingSafeEqual(Buffer.from(one), Buffer.from(other));
const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function newSession(user) {
  const body = `${user}.${Math.floor(Date.now() / 1000) + LIFETIME}`;
  return `${body}.${sign(body)}`;
}

// Only the key decides, so a session made by one process holds in all of them.
function userOf(request) {
  const found = /(?:^|;\s*)session=([^;]*)/.exec(request.headers.cookie || '');
  const parts = /^(([^.]+)\.(\d+))\.([0-9a-f]+)$/.exec(found ? found[1] : '');
  if (!parts || !same(parts[4], sign(parts[1]))) return null;
  return Number(parts[3]) > Date.now() / 1000 ? parts[2] : null;
}

function send(response, status, type, body, headers) {
  const bytes = Buffer.from(body);
  response.writeHead(status, Object.assign({ 'Content-Type': type, 'Content-Length': bytes.length }, headers));
  response.end(bytes);
}

const json = (response, value, status = 200, headers = undefined) =>
  send(response, status, 'application/json', JSON.stringify(value), headers);
const away = (response, where, headers) => send(response, 303, 'text/plain', '', Object.assign({ Location: where }, headers));

function page(response, title, body) {
  const name = escape(settings.title);
  const head = `<!doctype html><html lang=en><head><meta charset=utf-8><title>${title} - ${name}</title></head>`;
  send(response, 200, 'text/html; charset=utf-8', `${head}<body><h1>${name}</h1>${body}</body></html>`);
}

async function bodyOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

async function login(request, response) {
  const asJson = (request.headers['content-type'] || '').includes('json');
  const text = await bodyOf(request);
  const sent = asJson ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text));
  const user = String(sent.user || '');
  if (!same(settings.users[user] || '', sha256(String(sent.password || '')))) {
    return json(response, { error: 'wrong user or password' }, 401);
  }
  const cookie = { 'Set-Cookie': `${COOKIE}=${newSession(user)}; HttpOnly; Max-Age=${LIFETIME}; Path=/; SameSite=lax` };
  return asJson ? json(response, { user }, 200, cookie) : away(response, '/dashboard', cookie);
}

function dashboard(request, response) {
  const user = userOf(request);
  if (!user) return away(response, '/login');
  return page(response, 'Dashboard', `<p>Signed in as <b>${escape(user)}</b>.</p><a href=/api/report>Report</a>`);
}

async function report(request, response, query) {
  if (!userOf(request)) return json(response, { error: 'log in first' }, 401);
  const seconds = Math.min(Number(query.get('seconds') || settings.reportSeconds), LONGEST_REPORT);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const rows = Array.from({ length: 30 }, (_, index) => ({ day: index + 1, orders: ((index + 1) * 37) % 101 }));
  return json(response, { rows, receipt: sha256(query.get('nonce') || '') });
}

const FORM = '<form method=post action=/api/login><label>User <input name=user></label>'
  + '<label>Password <input name=password type=password></label><button>Log in</button></form>';

const ROUTES = {
  'GET /': dashboard,
  'GET /dashboard': dashboard,
  'GET /login': (request, response) => page(response, 'Log in', FORM),
  'GET /health': (request, response) => json(response, { status: 'ok' }),
  'POST /api/login': login,
  'GET /api/whoami': (request, response) => {
    const user = userOf(request);
    return json(response, user ? { user } : { error: 'log in first' }, user ? 200 : 401);
  },
  'GET /api/report': report,
};

const server = http.createServer(async (request, response) => {
  const [path, query] = request.url.split('?');
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const known = ROUTES[`${method} ${path}`];
  try {
    if (known) return await known(request, response, new URLSearchParams(query || ''));
    const other = Object.keys(ROUTES).some((route) => route.endsWith(` ${path}`));
    return send(response, other ? 405 : 404, 'text/plain', other ? 'Method Not Allowed' : 'Not Found');
  } catch (error) {
    console.error(error);
    return send(response, 500, 'text/plain', 'Internal Server Error');
  }
});

const { values } = parseArgs({ options: { host: { type: 'string' }, port: { type: 'string' } } });
const host = values.host || process.env.HOST || '127.0.0.1';
const port = Number(values.port || process.env.PORT || 3000);
server.listen(port, host, () => console.log(`listening on http://${host.includes(':') ? `[${host}]` : host}:${port}`));
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
