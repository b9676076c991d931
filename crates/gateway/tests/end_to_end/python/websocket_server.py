"""A WebSocket server that sends every message back. Prints its port as JSON."""

import asyncio
import json
from contextlib import suppress

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(connection):
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def main():
    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await server.serve_forever()


asyncio.run(main())
