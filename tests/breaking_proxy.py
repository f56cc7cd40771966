"""A TCP proxy on loopback that breaks connections where the test says: a network as it is on a bad day."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class BreakingProxy:
    """`down_bytes` and `up_bytes` give, connection by connection, how much may pass before it breaks; None = all."""

    target_port: int
    down_bytes: Callable[[int], int | None] = lambda number: None
    up_bytes: Callable[[int], int | None] = lambda number: None
    port: int = 0
    connections_count: int = 0
    broken_count: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections_count
        self.connections_count += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        pumps = [
            asyncio.create_task(_pump(there, writer, self.down_bytes(number))),
            asyncio.create_task(_pump(reader, back, self.up_bytes(number))),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if any(pump.result() for pump in done):
                self.broken_count += 1
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for side in (writer, back):
                side.transport.abort()
                side.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most_bytes: int | None) -> bool:
    """True when it broke the connection itself."""
    passed_bytes = 0
    try:
        while chunk := await reader.read(65_536):
            if most_bytes is not None and passed_bytes + len(chunk) > most_bytes:
                writer.write(chunk[: most_bytes - passed_bytes])
                await writer.drain()
                # What was let through must arrive: an abort would throw it away.
                await asyncio.sleep(0.01)
                return True
            writer.write(chunk)
            await writer.drain()
            passed_bytes += len(chunk)
    except OSError:
        return False
    return False


@asynccontextmanager
async def breaking_proxy(proxy: BreakingProxy) -> AsyncIterator[BreakingProxy]:
    """Listens until the block ends."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(proxy.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
