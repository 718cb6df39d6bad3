"""Indexing beside those who write: what PostgreSQL leaves to be indexed for searching later."""

import logging
import threading

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from adapters.sql.schema.search import SEARCHED

log = logging.getLogger("atelier.indexing")

EVERY = 0.3
"""Seconds that what is written waits, so that much of it is indexed together."""

_INDEX = text("""
SELECT gin_clean_pending_list(oid) FROM pg_class
WHERE relname = ANY (:names) AND pg_table_is_visible(oid) AND pg_has_role(relowner, 'USAGE')
""")
_NAMES = [f"ix_{name}_search_text" for name in SEARCHED]


class GinCleaner:
    """A thread that has PostgreSQL index what was written, soon after.

    PostgreSQL keeps what is written in a list beside a GIN index, and whoever makes that longer
    than 4 MB has to index all of it before they go on: one update of a hundred took 50 to 75 ms.
    Searches go through the list as well (PostgreSQL's documentation, GIN fast update technique).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._written = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Index from now on what is written, until it is closed."""
        self._thread = threading.Thread(target=self._work, name="indexing", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Take note that something may have been written."""
        self._written.set()

    def close(self) -> None:
        """Stop; what is not indexed yet is so by whoever writes much, or by PostgreSQL itself."""
        self._closed.set()
        self._written.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            self._written.wait()
            # First, so that what is written from here on, or the end, is not overlooked.
            self._written.clear()
            if self._closed.wait(EVERY):
                return
            try:
                with self._engine.begin() as connection:
                    connection.execute(_INDEX, {"names": _NAMES})
            except SQLAlchemyError as error:
                # Nothing depends on it but time, and the next change tries again.
                log.warning("nothing was indexed", extra={"reason": type(error).__name__})
