"""Opens a TLS 1.3 connection per request until the time is up and prints what it saw as JSON.

Arguments: port, seconds, threads, name of a header to send. Times are microseconds from connect to the last byte.
"""

import json
import socket
import ssl
import sys
import threading
import time

port, seconds, threads, header = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
request = f"GET /items/7 HTTP/1.1\r\nHost: localhost:{port}\r\n{header}: 1\r\nConnection: close\r\n\r\n".encode()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
times, errors, resumed = [], [], []
begin = time.perf_counter()
deadline = begin + seconds


def once():
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            if tls.session_reused:
                resumed.append(1)
            tls.sendall(request)
            answer = b""
            while piece := tls.recv(16384):
                answer += piece
            return answer.startswith(b"HTTP/1.1 200")


def work():
    while (start := time.perf_counter()) < deadline:
        try:
            good = once()
        except OSError:
            good = False
        (times if good else errors).append((time.perf_counter() - start) * 1e6)


workers = [threading.Thread(target=work) for _ in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
elapsed = time.perf_counter() - begin
times.sort()
print(json.dumps({
    "requests": len(times),
    "seconds": elapsed,
    "p50": times[len(times) // 2] if times else 0,
    "p99": times[len(times) * 99 // 100] if times else 0,
    "errors": len(errors),
    "resumed": len(resumed),
}))
