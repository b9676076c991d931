"""Receipts: a service without any of our code. It verifies the Passport with PyJWT, passes it on to `orders`, and hands the
trace on, so that its calls are in the same trace as everybody else's."""

import json
import os
import re
import sys
import urllib.error
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

ISSUER = os.environ.get("PASSPORT_ISSUER", "https://gateway.shop.example")
TRUST_DOMAIN = os.environ.get("PASSPORT_TRUST_DOMAIN", "shop.example")
ORDERS = os.environ.get("ORDERS", "http://127.0.0.1:9101")
# Fetches the keys once, keeps them for five minutes, and looks again when a key is not among them.
KEYS = jwt.PyJWKClient(os.environ.get("JWKS", "http://127.0.0.1:9901/jwks.json"))


def passport(tokens):
    """The claims of the Passport of a request, or an error."""
    if tokens is None or len(tokens) != 1:
        raise jwt.InvalidTokenError("there is no Passport, or more than one")
    if jwt.get_unverified_header(tokens[0]).get("typ") != "txntoken+jwt":
        raise jwt.InvalidTokenError("this is another kind of token")
    return jwt.decode(
        tokens[0],
        KEYS.get_signing_key_from_jwt(tokens[0]),
        algorithms=["EdDSA", "ES256"],
        issuer=ISSUER,
        audience=TRUST_DOMAIN,
        leeway=5,
        options={"require": ["iss", "aud", "iat", "exp", "sub", "txn"]},
    )


class Receipts(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self):
        # A connection carries requests of many callers: nothing of the one before may stay.
        self.path, self.trace, self.user = None, "", None
        super().handle_one_request()

    def do_GET(self):
        self.trace = self.headers.get("traceparent", "")
        # Nobody reads a body here, and what is left of one must not be taken for the next request.
        self.close_connection |= "Transfer-Encoding" in self.headers or self.headers.get("Content-Length", "0") != "0"
        if self.path == "/health":
            return self.answer(200, {"status": "UP"})
        found = re.fullmatch(r"/receipts/([0-9]{1,18})", self.path)
        if not found:
            return self.problem(404, "there is nothing here")
        try:
            self.user = passport(self.headers.get_all("Txn-Token"))["tctx"]["user"]["id"]
        except jwt.PyJWKClientConnectionError:
            return self.problem(503, "the gateway's keys cannot be fetched")
        except (jwt.PyJWTError, KeyError) as error:
            print(f"refused: {error!r}", file=sys.stderr, flush=True)
            return self.problem(401, "a Passport is wanted")
        # `orders` decides whether the caller may see it: the Passport says who asks.
        passed_on = {name: self.headers[name] for name in ("Txn-Token", "traceparent", "tracestate") if self.headers[name]}
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{ORDERS}/orders/{found[1]}", headers=passed_on), timeout=2) as got:
                order = json.load(got)
        except urllib.error.HTTPError as refused:
            return self.problem(refused.code if refused.code in (401, 403, 404) else 502, "orders does not give it")
        except (OSError, ValueError):
            return self.problem(502, "orders cannot be reached")
        self.answer(200, {"receipt": f"{order['quantity']} x {order['dish']}", "order": order["id"], "for": self.user})

    def problem(self, status, title):
        self.answer(status, {"type": "about:blank", "title": title, "status": status}, "application/problem+json")

    def answer(self, status, body, kind="application/json"):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        # The same names as in the other services' lines, so that one query finds a request everywhere.
        trace_id = self.trace[3:35] if re.fullmatch(r"[0-9a-f]{2}-[0-9a-f]{32}-.*", self.trace) else None
        line = {"time": datetime.now(timezone.utc).isoformat(), "trace_id": trace_id, "method": self.command,
                "path": self.path, "status": int(code), "principal": self.user}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    host, port = os.environ.get("ADDRESS", "127.0.0.1:9104").rsplit(":", 1)
    print(f"receipts listens at {host}:{port}", file=sys.stderr, flush=True)
    ThreadingHTTPServer((host, int(port)), Receipts).serve_forever()
