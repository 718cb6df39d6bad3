"""The database port, which needs no connection."""

from service_layer.ports import Database, Schema


class MemoryDatabase(Database):
    """A database that is always available."""

    async def connect(self) -> None:
        """Do nothing: there is no connection."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    async def schema(self) -> Schema:
        return Schema.CURRENT
