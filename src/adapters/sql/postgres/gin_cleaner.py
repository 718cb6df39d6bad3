"""Background merge of the pending lists of PostgreSQL's GIN (trigram) indexes."""

import logging
import threading

from sqlalchemy import Engine, text

from adapters.sql.schema.search import SEARCHED

log = logging.getLogger("atelier.indexing")

EVERY = 0.3
"""Seconds between a write and the cleanup, so that one cleanup covers many writes."""

_INDEX = text("""
SELECT gin_clean_pending_list(oid) FROM pg_class
WHERE relname = ANY (:names) AND pg_table_is_visible(oid) AND pg_has_role(relowner, 'USAGE')
""")
_NAMES = [f"ix_{name}_search_text" for name in SEARCHED]


class GinCleaner:
    """A thread that merges the pending lists of the trigram indexes soon after writes.

    PostgreSQL appends new entries to a pending list beside a GIN index. The writer that makes the
    list exceed 4 MB has to merge all of it: one update of a hundred took 50 to 75 ms. Searches also
    scan the list (PostgreSQL's documentation, GIN fast update technique).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._written = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, which runs until `close`."""
        self._thread = threading.Thread(target=self._work, name="indexing", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Report that rows may have been written."""
        self._written.set()

    def close(self) -> None:
        """Stop the thread; PostgreSQL or a later writer merges the remaining entries."""
        self._closed.set()
        self._written.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            self._written.wait()
            # Clear first, so that later writes and `close` are not missed.
            self._written.clear()
            if self._closed.wait(EVERY):
                return
            try:
                with self._engine.begin() as connection:
                    connection.execute(_INDEX, {"names": _NAMES})
            except Exception as error:
                # Only speed depends on the cleanup, and the next write retries it.
                log.warning("gin index cleanup failed", extra={"reason": type(error).__name__})
