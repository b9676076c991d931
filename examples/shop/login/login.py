"""A stand-in for the company's login: it lets in whoever writes a name, without a password. For this example alone; it speaks
what real ones speak (OpenID Connect Core 1.0, code flow with PKCE), so that the gateways in front are the ones users run."""

import base64
import hashlib
import html
import json
import os
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

HOST, PORT = os.environ.get("ADDRESS", "127.0.0.1:9100").rsplit(":", 1)
ISSUER = f"http://{HOST}:{PORT}"
CLIENT, SECRET = "shop-gateway", os.environ.get("LOGIN_SECRET", "for-this-example-only")
KEY = ec.generate_private_key(ec.SECP256R1())
# Who is who: the names that are known, with what they may.
PEOPLE = {
    "ann": {"roles": ["member"], "scope": "orders.read orders.write"},
    "carl": {"roles": ["cook"], "scope": "kitchen", "groups": ["kitchen"]},
    "olga": {"roles": ["owner"], "scope": "orders.read", "groups": ["kitchen", "office"]},
}
CODES = {}  # code -> what was asked for; each is good once, for a minute


def signed(audience, name, **more):
    now = int(time.time())
    who = PEOPLE.get(name, {"roles": ["member"], "scope": "orders.read orders.write"})
    claims = {"iss": ISSUER, "aud": audience, "sub": name, "iat": now, "exp": now + 3600, **who, **more}
    return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "login"})


class Login(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            self.json(200, {
                "issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token", "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"], "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            })
        elif url.path == "/jwks":
            key = json.loads(jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).to_jwk(KEY.public_key()))
            self.json(200, {"keys": [{**key, "kid": "login", "alg": "ES256", "use": "sig"}]})
        elif url.path == "/token-for":
            # What an app has after its login: so that curl can be that app.
            self.text(200, "text/plain", signed("shop-api", asked.get("name", "ann")))
        elif url.path == "/authorize":
            self.authorize(asked)
        else:
            self.json(404, {"error": "not_found"})

    def authorize(self, asked):
        back = urlsplit(asked.get("redirect_uri", ""))
        if asked.get("client_id") != CLIENT or back.hostname not in ("127.0.0.1", "localhost") or asked.get("code_challenge_method") != "S256":
            return self.text(400, "text/plain", "no client that is known here sent you")
        if not (name := asked.get("name", "").strip()):
            kept = "".join(f'<input type="hidden" name="{html.escape(key)}" value="{html.escape(value)}">' for key, value in asked.items())
            people = ", ".join(PEOPLE)
            return self.text(200, "text/html", f"<!doctype html><title>Log in</title><form>{kept}<p>A stand-in for a login: any name, no password ({people}).</p>"
                             '<input name="name" autofocus><button>Log in</button></form>')
        code = secrets.token_urlsafe(32)
        CODES[code] = {**asked, "name": name, "until": time.time() + 60}
        answer = urlencode({"code": code, "state": asked.get("state", ""), "iss": ISSUER})
        self.send_response(303)
        self.send_header("Location", f"{asked['redirect_uri']}?{answer}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 65536)).decode()).items()}
        code = CODES.pop(form.get("code"), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        client = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        good = (self.path == "/token" and code and code["until"] > time.time() and code.get("code_challenge") == challenge
                and code["redirect_uri"] == form.get("redirect_uri") and self.headers.get("Authorization") == f"Basic {client}")
        if not good:
            return self.json(400, {"error": "invalid_grant"})
        more = {"nonce": code["nonce"]} if "nonce" in code else {}
        self.json(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": signed("shop-api", code["name"]),
                        "id_token": signed(CLIENT, code["name"], preferred_username=code["name"], **more)})

    def json(self, status, body):
        self.text(status, "application/json", json.dumps(body))

    def text(self, status, kind, body):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    print(f"login listens at {ISSUER}", file=sys.stderr, flush=True)
    ThreadingHTTPServer((HOST, int(PORT)), Login).serve_forever()
