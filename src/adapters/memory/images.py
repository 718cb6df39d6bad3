"""The image store over a dictionary, with the real image cleaner."""

from adapters.images import MEDIA_TYPES, ImageCleaner, new_name
from service_layer.ports import Image, ImageStore


class MemoryImageStore(ImageStore):
    """Images in a dictionary, by name."""

    def __init__(self, cleaner: ImageCleaner | None = None) -> None:
        self._cleaner = cleaner or ImageCleaner()
        self._kept: dict[str, Image] = {}

    async def save(self, content: bytes) -> str:
        image, suffix = await self._cleaner.clean(content)
        name = new_name(suffix)
        self._kept[name] = Image(image, MEDIA_TYPES[suffix])
        return name

    async def find(self, name: str) -> Image | None:
        return self._kept.get(name)

    async def delete(self, name: str) -> None:
        self._kept.pop(name, None)
