"""A WebSocket client: URL, file of the authority. Whatever is not as it should be ends it with an exception."""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect


async def main(url, authority):
    context = ssl.create_default_context(cafile=authority) if url.startswith("wss") else None
    async with connect(url, ssl=context, proxy=None, max_size=None, compression="deflate") as connection:
        for message in ["hello", "안녕", b"\x00\x01\xff", "", "a" * 70_000, bytes(range(256)) * 8_000]:
            await connection.send(message)
            assert await connection.recv() == message
        await asyncio.gather(*(connection.send(str(number)) for number in range(200)))
        assert sorted([int(await connection.recv()) for _ in range(200)]) == list(range(200))
        latency = await (await connection.ping())
        assert latency >= 0
        await connection.close(code=4000, reason="done")
    assert connection.close_code == 4000


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 12))
