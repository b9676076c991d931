"""A gRPC server without a schema: messages are bytes. Prints its port as JSON."""

import json
import time
from concurrent import futures

import grpc


def unary(request, context):
    seen = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-initial", "first"), ("x-seen", seen.get("x-sent", ""))))
    context.set_trailing_metadata((("x-trailing", "last"), ("x-binary-bin", b"\x00\xff")))
    return request[::-1]


def downward(request, context):
    for number in range(int(request)):
        yield f"message {number}".encode()
    context.set_trailing_metadata((("x-count", request.decode()),))


def upward(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def both_ways(requests, context):
    for request in requests:
        yield request.upper()


def fails(request, context):
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100%")


def fails_midway(request, context):
    yield b"one"
    context.abort(grpc.StatusCode.DATA_LOSS, "after one")


def sleeps(request, context):
    while context.is_active():
        time.sleep(0.01)
    return b""


SERVICE = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Downward": grpc.unary_stream_rpc_method_handler(downward),
    "Upward": grpc.stream_unary_rpc_method_handler(upward),
    "BothWays": grpc.stream_stream_rpc_method_handler(both_ways),
    "Fails": grpc.unary_unary_rpc_method_handler(fails),
    "FailsMidway": grpc.unary_stream_rpc_method_handler(fails_midway),
    "Sleeps": grpc.unary_unary_rpc_method_handler(sleeps),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=[("grpc.max_receive_message_length", -1)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", SERVICE),))
print(json.dumps({"port": server.add_insecure_port("127.0.0.1:0")}), flush=True)
server.start()
server.wait_for_termination()
