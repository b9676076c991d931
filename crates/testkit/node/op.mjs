// A certified OpenID provider, `oidc-provider`, set up for the tests of a gateway: access tokens are JWTs for the audience
// `gateway`, or for the resource that is asked for; those for the resource `urn:opaque` are opaque. Says on stdout, one
// JSON object a line, where it listens and which key signs. A line on stdin is the algorithm of a new key in place of the
// old one; with the end of stdin it ends.
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
const KINDS = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  EdDSA: ['ed25519', {}],
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
};

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
    scopes: ['openid', 'orders.admin', ...SCOPES.split(' ')],
    extraTokenClaims: (_context, token) => token.gty === EXCHANGE ? { act: { sub: token.clientId } } : undefined,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => DEFAULT_RESOURCE,
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
  return { handle: provider.callback(), kid: key.kid };
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
  for await (const algorithm of createInterface({ input: process.stdin })) {
    current = providerWith(algorithm, issuer);
    say({ rotated: algorithm, kid: current.kid });
  }
  process.exit();
});
