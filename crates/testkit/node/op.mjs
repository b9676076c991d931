// A certified OpenID provider, `oidc-provider`, set up for the tests of a gateway: access tokens are JWTs for the audience
// `gateway`, or for the resource that is asked for; those for the resource `urn:opaque` are opaque. People log in on a page
// of it. Says on stdout, one JSON object a line, where it listens, which key signs, what it granted and whom it told of the
// end of a session. A line on stdin is a JSON object: `key` is the algorithm of a new key in place of the old one, `web` the
// client through which people come, `seconds` how long their access tokens live; with the end of stdin it ends.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { jwtVerify } from 'jose';
import { Provider, errors } from 'oidc-provider';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const DEFAULT_RESOURCE = 'https://gateway.test/';
const SCOPES = 'orders.read orders.write';
const LIFETIME = 300;
const WEB = 'gateway';
const PEOPLE = {
  ann: { name: 'Ann Example', email: 'ann@people.test', groups: ['staff', 'ops'] },
  bob: { name: 'Bob Example', email: 'bob@people.test', groups: ['staff'] },
};
const KINDS = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  EdDSA: ['ed25519', {}],
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
};

// How long the access tokens of people live, in seconds.
let lifetime = LIFETIME;

function providerWith(alg, issuer) {
  const [kind, options] = KINDS[alg];
  const { privateKey, publicKey } = generateKeyPairSync(kind, options);
  const key = { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() };
  const serverOf = (resource) => ({
    audience: resource === DEFAULT_RESOURCE ? 'gateway' : resource,
    scope: SCOPES,
    accessTokenFormat: resource === 'urn:opaque' ? 'opaque' : 'jwt',
    accessTokenTTL: LIFETIME,
    jwt: { sign: { alg } },
  });
  const client = (client_id, token_endpoint_auth_method) => ({
    client_id,
    client_secret: 'gw-secret',
    token_endpoint_auth_method,
    grant_types: ['client_credentials', EXCHANGE],
    redirect_uris: [],
    response_types: [],
    scope: SCOPES,
  });
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [client('gw', 'client_secret_basic'), client('gw-post', 'client_secret_post')],
    clientDefaults: { id_token_signed_response_alg: alg },
    scopes: ['openid', 'offline_access', 'orders.admin', ...SCOPES.split(' ')],
    claims: { profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], groups: ['groups'] },
    // What a person's scopes give stands in the ID token, as with most providers that companies have.
    conformIdTokenClaims: false,
    findAccount: (_context, id) => PEOPLE[id] && {
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, email_verified: true, ...PEOPLE[id] }),
    },
    issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    pkce: { required: () => true },
    ttl: { AccessToken: () => lifetime, IdToken: 3600, Session: 86400, Grant: 86400, RefreshToken: 86400, Interaction: 600 },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    // The client is the company's own: nobody is asked whether it may.
    loadExistingGrant: grantOf,
    cookies: { keys: [randomUUID()] },
    // The package calls nobody on the loopback, where every client of ours is.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    extraTokenClaims: (_context, token) => token.gty === EXCHANGE ? { act: { sub: token.clientId } } : undefined,
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context, client) => client.clientId === WEB ? undefined : DEFAULT_RESOURCE,
        getResourceServerInfo: (_context, resource) => serverOf(resource),
      },
    },
  });
  // Which tokens may be exchanged for which (RFC 8693) the package leaves to its users: a good one of ours for one of the
  // same subject.
  const exchange = async (context) => {
    const { client, params } = context.oidc;
    if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('unknown subject_token_type');
    const subject = await subjectOf(provider, publicKey, params.subject_token);
    if (!subject) throw new errors.InvalidRequest('subject_token is not good');
    const scope = params.scope ?? subject.scope;
    const resource = params.audience ?? DEFAULT_RESOURCE;
    const token = new provider.AccessToken({ accountId: subject.sub, client, scope, gty: EXCHANGE });
    token.resourceServer = new provider.ResourceServer(resource, serverOf(resource));
    context.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: token.tokenType,
      expires_in: token.expiration,
      scope,
    };
  };
  const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope'];
  provider.registerGrantType(EXCHANGE, exchange, parameters);
  provider.on('grant.success', ({ oidc }) => say({ granted: oidc.params.grant_type }));
  provider.on('grant.error', ({ oidc }, { error }) => say({ refused: oidc.params?.grant_type, error }));
  provider.on('backchannel.success', () => say({ told: true }));
  provider.on('backchannel.error', (_context, error) => say({ told: false, error: String(error), cause: String(error.cause) }));
  const answer = provider.callback();
  const handle = (request, response) => request.url.startsWith('/interaction/')
    ? interact(provider, request, response).catch((error) => response.writeHead(400).end(String(error)))
    : answer(request, response);
  return { provider, handle, kid: key.kid };
}

async function grantOf({ oidc }) {
  const id = oidc.session.grantIdFor(oidc.client.clientId);
  const grant = (id && (await oidc.provider.Grant.find(id)))
    || new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
  grant.addOIDCScope(oidc.requestParamScopes.size ? [...oidc.requestParamScopes].join(' ') : 'openid');
  await grant.save();
  return grant;
}

// The login page. Everybody's password is the name and `-password`.
async function interact(provider, request, response) {
  const { pathname } = new URL(request.url, provider.issuer);
  if (pathname.endsWith('/cancel')) {
    const refused = { error: 'access_denied', error_description: 'the person did not want to' };
    return provider.interactionFinished(request, response, refused);
  }
  let said = '';
  if (request.method === 'POST') {
    const form = new URLSearchParams((await request.setEncoding('utf8').toArray()).join(''));
    const accountId = form.get('login');
    if (PEOPLE[accountId] && form.get('password') === `${accountId}-password`) {
      return provider.interactionFinished(request, response, { login: { accountId } });
    }
    said = '<p>That is not right.</p>';
  }
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(`<!doctype html><title>Log in</title>
<h1>Log in</h1>${said}<form method="post"><input name="login" autofocus><input name="password" type="password">
<button>Log in</button></form><a href="${pathname}/cancel">Cancel</a>`);
}

// The client of people: the code flow with PKCE, and refresh tokens.
function register(uris) {
  return current.provider.Client.adapter.upsert(WEB, {
    client_id: WEB,
    client_secret: 'gateway-secret',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    scope: 'openid profile email groups offline_access',
    backchannel_logout_session_required: true,
    ...uris,
  });
}

async function subjectOf(provider, publicKey, token) {
  const opaque = (await provider.ClientCredentials.find(token)) ?? (await provider.AccessToken.find(token));
  if (opaque) return { sub: opaque.accountId ?? opaque.clientId, scope: opaque.scope };
  const verified = jwtVerify(token, publicKey, { issuer: provider.issuer });
  return verified.then(({ payload }) => payload, () => undefined);
}

const say = (words) => console.log(JSON.stringify(words));
let current;
const server = createServer((request, response) => current.handle(request, response));
server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  current = providerWith(process.argv[2], issuer);
  say({ listening: issuer, kid: current.kid });
  for await (const line of createInterface({ input: process.stdin })) {
    const { key, web, seconds } = JSON.parse(line);
    if (key) {
      current = providerWith(key, issuer);
      say({ rotated: key, kid: current.kid });
    } else if (seconds) {
      lifetime = seconds;
      say({ seconds });
    } else {
      await register(web);
      say({ registered: WEB });
    }
  }
  process.exit();
});
