"""The port of pictures over a dictionary; what is a picture is decided as it is in earnest."""

from adapters.pictures import MEDIA_TYPES, Cleaner, new_name
from service_layer.ports import Picture, Pictures


class MemoryPictures(Pictures):
    """Pictures in a dictionary, by name."""

    def __init__(self, cleaner: Cleaner | None = None) -> None:
        self._cleaner = cleaner or Cleaner()
        self._kept: dict[str, Picture] = {}

    async def keep(self, content: bytes) -> str:
        picture, suffix = await self._cleaner.clean(content)
        name = new_name(suffix)
        self._kept[name] = Picture(picture, MEDIA_TYPES[suffix])
        return name

    async def find(self, name: str) -> Picture | None:
        return self._kept.get(name)

    async def discard(self, name: str) -> None:
        self._kept.pop(name, None)
