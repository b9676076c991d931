// An OpenID provider as small as it gets, for the rung `session`: whoever comes is logged in at once, as somebody with the
// role and the scope that are wanted. It signs with a key that stays in this process.
import { createServer } from 'node:http';
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const [address, wanted] = process.argv.slice(2);
const issuer = `http://${address}`;
const { claims } = JSON.parse(wanted);
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const key = { key: privateKey, dsaEncoding: 'ieee-p1363' };
const codes = new Map();

function idToken(audience, nonce) {
  const now = Math.floor(Date.now() / 1000);
  const body = { ...claims, iss: issuer, aud: audience, sub: 'user-session', nonce, iat: now, exp: now + 3600 };
  const signed = `${encoded({ alg: 'ES256', kid: 'bench-1' })}.${encoded(body)}`;
  return `${signed}.${sign('sha256', signed, key).toString('base64url')}`;
}

function token(form) {
  const login = codes.get(form.get('code'));
  codes.delete(form.get('code'));
  const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
  if (!login || login.get('code_challenge') !== challenge) return [400, { error: 'invalid_grant' }];
  const id_token = idToken(login.get('client_id'), login.get('nonce'));
  return [200, { access_token: randomUUID(), token_type: 'Bearer', expires_in: 86400, id_token }];
}

const paths = {
  '/.well-known/openid-configuration': () => [200, {
    issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['ES256'],
  }],
  '/jwks': () => [200, { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench-1', alg: 'ES256', use: 'sig' }] }],
  '/authorize': (query) => {
    const code = randomUUID();
    codes.set(code, query);
    return [302, {}, { location: `${query.get('redirect_uri')}?code=${code}&state=${query.get('state')}` }];
  },
  '/token': (_, form) => token(form),
};

createServer((request, response) => {
  const url = new URL(request.url, issuer);
  let body = '';
  request.on('data', (piece) => { body += piece; });
  request.on('end', () => {
    const answer = paths[url.pathname]?.(url.searchParams, new URLSearchParams(body)) ?? [404, {}];
    response.writeHead(answer[0], { 'content-type': 'application/json', ...answer[2] });
    response.end(JSON.stringify(answer[1]));
  });
}).listen(Number(address.split(':').pop()), '127.0.0.1');
