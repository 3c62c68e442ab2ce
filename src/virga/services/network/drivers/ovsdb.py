# SPDX-License-Identifier: Apache-2.0
"""A small OVSDB client (RFC 7047): one asyncio loop in a thread of its own, transactions in flight side by side, monitors, and
reconnection. Rows are written as plain operations; nothing of the database is kept here."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from virga.ground import log
from virga.ground.errors import Unavailable

Op = dict[str, Any]


class OvsdbError(Exception):
    """The server refused a transaction; the message is its own."""


def ovs_set(values: Iterable[Any]) -> list[Any]:
    return ["set", list(values)]


def ovs_map(values: dict[str, str]) -> list[Any]:
    return ["map", [[k, v] for k, v in values.items()]]


def uuid_of(id: str) -> list[str]:
    return ["uuid", id]


def plain(value: Any) -> Any:
    """A column's value as Python has it: sets as lists, maps as dicts, uuids as strings."""
    if isinstance(value, list) and value:
        if value[0] == "set":
            return [plain(v) for v in value[1]]
        if value[0] == "map":
            return dict(value[1])
        if value[0] in {"uuid", "named-uuid"}:
            return value[1]
    return value


def listed(value: Any) -> list[Any]:
    """A set column of any size as a list: OVSDB prints a set of one as the element."""
    value = plain(value)
    return value if isinstance(value, list) else [value]


class Ovsdb:
    """One database behind a unix socket."""

    def __init__(self, path: str, database: str) -> None:
        self.path, self.database = path, database
        self.log = log.get("ovsdb")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"ovsdb-{database}", daemon=True)
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._monitors: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], None]]] = {}
        self._count = 0
        self._connecting: asyncio.Lock | None = None
        self._closed = False
        self._thread.start()

    # -- from any thread -------------------------------------------------------------------------------------------

    def transact(self, ops: list[Op], timeout: float = 20.0) -> list[Any]:
        """Run the operations as one transaction; their results. Raises OvsdbError, Unavailable."""
        return self._ask(self._transact(ops), timeout)  # type: ignore[no-any-return]

    def rows(
        self, table: str, where: list[Any] | None = None, columns: list[str] | None = None
    ) -> list[dict[str, Any]]:
        op: Op = {"op": "select", "table": table, "where": where or []}
        if columns is not None:
            op["columns"] = columns
        return self.transact([op])[0]["rows"]  # type: ignore[no-any-return]

    def monitor(self, name: str, tables: dict[str, list[str]], tell: Callable[[dict[str, Any]], None]) -> None:
        """Call `tell` with the tables' rows now and with every change, also after a reconnection."""
        requests = {table: [{"columns": columns}] for table, columns in tables.items()}
        self._monitors[name] = (requests, tell)
        self._ask(self._start_monitor(name), 20.0)

    def close(self) -> None:
        self._closed = True

        def stop() -> None:
            if self._writer is not None:
                self._writer.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_later(0.05, self._loop.stop)

        self._loop.call_soon_threadsafe(stop)
        self._thread.join(5)

    def _ask(self, coroutine: Any, timeout: float) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise Unavailable(f"{self.database} did not answer within {timeout:.0f} s") from None
        except OSError as e:
            raise Unavailable(f"{self.database} is away: {e}") from e

    # -- on the loop -----------------------------------------------------------------------------------------------

    async def _transact(self, ops: list[Op]) -> list[Any]:
        reply = await self._call("transact", [self.database, *ops])
        if reply.get("error"):
            raise OvsdbError(f"{self.database}: {reply['error']}")
        for result in reply["result"]:
            if result and result.get("error"):
                raise OvsdbError(f"{self.database}: {result['error']}: {result.get('details', '')}")
        return reply["result"]  # type: ignore[no-any-return]

    async def _call(self, method: str, params: list[Any]) -> dict[str, Any]:
        writer = await self._connected()
        self._count += 1
        id, future = self._count, self._loop.create_future()
        self._waiting[id] = future
        writer.write(json.dumps({"id": id, "method": method, "params": params}).encode())
        return await future  # type: ignore[no-any-return]

    async def _connected(self) -> asyncio.StreamWriter:
        if self._connecting is None:
            self._connecting = asyncio.Lock()
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                reader, self._writer = await asyncio.open_unix_connection(self.path, limit=1 << 26)
                self._loop.create_task(self._read(reader, self._writer))
        return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder, held = json.JSONDecoder(), ""
        try:
            while data := await reader.read(1 << 18):
                held += data.decode()
                while held:
                    try:
                        message, at = decoder.raw_decode(held)
                    except ValueError:
                        break
                    held = held[at:].lstrip()
                    self._take(message, writer)
        except OSError:
            pass
        finally:
            writer.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionResetError(f"{self.database} closed the connection"))
            self._waiting.clear()
            if self._monitors and not self._closed:
                self._loop.create_task(self._again())

    async def _again(self) -> None:
        """Reconnect until it holds, and resume the monitors."""
        while not self._closed:
            await asyncio.sleep(0.5)
            try:
                for name in self._monitors:
                    await self._start_monitor(name)
                return
            except OSError:
                continue

    async def _start_monitor(self, name: str) -> None:
        requests, tell = self._monitors[name]
        reply = await self._call("monitor", [self.database, name, requests])
        if reply.get("error"):
            raise OvsdbError(f"{self.database}: {reply['error']}")
        self._loop.run_in_executor(None, tell, reply["result"])

    def _take(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if message.get("method") == "echo":
            writer.write(json.dumps({"id": message["id"], "result": message["params"], "error": None}).encode())
        elif message.get("method") == "update":
            name, tables = message["params"]
            if name in self._monitors:
                self._loop.run_in_executor(None, self._monitors[name][1], tables)
        else:
            future = self._waiting.pop(message.get("id", -1), None)
            if future is not None and not future.done():
                future.set_result(message)
