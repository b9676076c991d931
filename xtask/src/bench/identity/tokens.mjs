// Keys and tokens of the row `identity`. The issuer's private key stays in this process; what proxies sign with is written
// for them. `batches` files of `size` tokens each, no two tokens alike and all of the same length.
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, batches, size, wanted] = process.argv.slice(2);
const { claims, stranger, kid } = JSON.parse(wanted);
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { key: privateKey, dsaEncoding: 'ieee-p1363' };
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const head = encoded({ alg: 'ES256', typ: 'at+jwt', kid });
const now = Math.floor(Date.now() / 1000);

function token(number, more) {
  const id = String(number).padStart(10, '0');
  const body = encoded({ ...claims, ...more, sub: `user-${id}`, jti: `token-${id}`, iat: now, exp: now + 30 * 86400 });
  const signed = `${head}.${body}`;
  return `${signed}.${sign('sha256', signed, key).toString('base64url')}`;
}

const write = (name, text) => writeFileSync(join(folder, name), text, { mode: 0o600 });
write('jwks.json', JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' }] }));
for (const name of ['passport', 'audit']) {
  write(`${name}.pem`, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
}
write('client-secret', randomUUID());
let number = 0;
write('known', token(number++));
write('stranger', token(number++, stranger));
for (let batch = 0; batch < Number(batches); batch++) {
  const lines = [];
  for (let line = 0; line < Number(size); line++) lines.push(`${token(number++)}\n`);
  write(`unknown-${batch}`, lines.join(''));
}
