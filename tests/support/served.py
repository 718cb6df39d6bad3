"""The application over real HTTP, served by a thread of this process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from bootstrap import http_protocol_class


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application and yield its address.

    A separate process would take a hundred times as long to start. Tests of startup, shutdown and
    crashes use one: see `support.service`.
    """
    config = uvicorn.Config(app, port=0, log_config=None, http=http_protocol_class(), ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the application did not start"
            time.sleep(0.005)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()
