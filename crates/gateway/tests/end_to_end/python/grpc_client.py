"""A gRPC client: what to check, target, file of the authority or nothing for cleartext. Whatever is not as it should be
ends it with an exception."""

import sys
import threading

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
PATIENCE = 10


def talks(channel):
    def call(shape, name):
        return getattr(channel, shape)(f"/test.Service/{name}")

    unary = call("unary_unary", "Unary")
    answer, outcome = unary.with_call(b"abc", metadata=(("x-sent", "sent"),), timeout=PATIENCE)
    assert answer == b"cba"
    assert dict(outcome.initial_metadata())["x-seen"] == "sent"
    trailing = dict(outcome.trailing_metadata())
    assert trailing["x-trailing"] == "last" and trailing["x-binary-bin"] == b"\x00\xff", trailing
    assert unary(b"", timeout=PATIENCE) == b""
    large = bytes(range(256)) * 20_000
    assert unary(large, timeout=PATIENCE) == large[::-1]

    stream = call("unary_stream", "Downward")(b"300", timeout=PATIENCE)
    assert list(stream) == [f"message {number}".encode() for number in range(300)]
    assert dict(stream.trailing_metadata())["x-count"] == "300"

    assert call("stream_unary", "Upward")((b"x" * 1000 for _ in range(500)), timeout=PATIENCE) == b"500000"

    # Each message is sent only when the answer to the one before has come.
    may_send = threading.Semaphore(1)

    def messages():
        for number in range(20):
            assert may_send.acquire(timeout=PATIENCE)
            yield f"message {number}".encode()

    received = []
    for message in call("stream_stream", "BothWays")(messages(), timeout=PATIENCE):
        received.append(message)
        may_send.release()
    assert received == [f"MESSAGE {number}".encode() for number in range(20)]

    error = refused(lambda: call("unary_unary", "Fails")(b"", timeout=PATIENCE))
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not today: 100%"), error
    assert dict(error.trailing_metadata())["x-why"] == "because"

    stream = call("unary_stream", "FailsMidway")(b"", timeout=PATIENCE)
    assert next(stream) == b"one"
    error = refused(lambda: next(stream))
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "after one"), error

    error = refused(lambda: call("unary_unary", "Sleeps")(b"", timeout=0.3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error

    error = refused(lambda: call("unary_unary", "NoSuchMethod")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error

    futures = [unary.future(str(number).encode(), timeout=PATIENCE) for number in range(200)]
    assert [future.result() for future in futures] == [str(number).encode()[::-1] for number in range(200)]


def notices_nothing_but_the_last_round(channel):
    """Talks until an answer says that it belongs to the last round."""
    unary = channel.unary_unary("/test.Service/Unary")
    downward = channel.unary_stream("/test.Service/Downward")
    while True:
        answer, outcome = unary.with_call(b"abc", timeout=PATIENCE)
        assert answer == b"cba"
        assert len(list(downward(b"50", timeout=PATIENCE))) == 50
        if dict(outcome.initial_metadata())["x-round"] == "last":
            return


def is_told_that_nobody_is_there(channel):
    error = refused(lambda: channel.unary_unary("/test.Service/Unary")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert error.details() == "the service behind could not be reached", error


def refused(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it went well")


def main(check, target, authority):
    if authority:
        with open(authority, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        channel = grpc.secure_channel(target, credentials, OPTIONS)
    else:
        channel = grpc.insecure_channel(target, OPTIONS)
    with channel:
        globals()[check](channel)


main(*sys.argv[1:])
