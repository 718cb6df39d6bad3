"""A TCP proxy in front of PostgreSQL, to simulate outages and network failures."""

import contextlib
import socket
import threading
from pathlib import Path

from sqlalchemy import URL

from support.service import free_port


class Proxy:
    """A proxy that forwards bytes between a service and PostgreSQL."""

    def __init__(self, target: URL) -> None:
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._port = free_port()
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._frozen = threading.Event()
        self._frozen.set()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    @property
    def url(self) -> URL:
        """The database URL by way of the proxy."""
        return self._target.set(host="127.0.0.1", port=self._port, query={})

    def cut(self) -> None:
        """Close all connections and refuse new ones, like a server that is down."""
        # After close() alone, a thread blocked in accept() would accept one more connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._break()

    def mend(self) -> None:
        """Accept connections again."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def freeze(self) -> None:
        """Stop forwarding but keep the connections open, like a network partition."""
        self._frozen.clear()

    def thaw(self) -> None:
        """Resume forwarding, including the delayed bytes."""
        self._frozen.set()

    def close(self) -> None:
        self._frozen.set()
        self.cut()

    def _break(self) -> None:
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = self._connect()
            except OSError:
                return
            with self._lock:
                self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        folder = self._target.query.get("host")
        if isinstance(folder, str):
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(Path(folder) / ".s.PGSQL.5432"))
            return far
        return socket.create_connection((self._target.host or "", self._target.port or 5432))

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._frozen.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
