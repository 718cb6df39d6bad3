"""Settings from the environment, from `.env`, or by default."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy import URL

from adapters import environment
from adapters.env_file import UnreadableFile
from adapters.environment import UnusableVariable, Variable
from adapters.sql import database_url
from domain.currencies import Currency
from domain.errors import InvalidValue
from entrypoints.web.origins import Origin

DEFAULT_URL = "sqlite:///atelier.db"
LOWER = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
# Several values are separated by commas.
WORDS = BeforeValidator(
    lambda value: (
        tuple(word.strip() for word in value.split(",") if word.strip())
        if isinstance(value, str)
        else value
    )
)
PORT = Annotated[int, Field(ge=1, le=65535)]


class UnusableSettings(Exception):
    """A setting cannot be used; `str()` of the error is one line with its name and the reason."""


def _to_origin(text: object) -> object:
    """Parse an origin, with or without a trailing slash."""
    if not isinstance(text, str):
        return text
    origin = Origin.parse(text.removesuffix("/"))
    if origin is None or "*" in text:
        raise ValueError("takes an address such as https://workshop.example, without a path")
    return origin


def _require_origins(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        _to_origin(text)
    return texts


class Settings(BaseSettings):
    """All settings; each field's alias is the name of its environment variable."""

    model_config = SettingsConfigDict(extra="ignore")

    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    db_host: str | None = Field(None, alias="DB_HOST")
    db_port: PORT = Field(5432, alias="DB_PORT")
    db_user: str | None = Field(None, alias="DB_USER")
    db_password: SecretStr | None = Field(None, alias="DB_PASSWORD")
    db_name: str | None = Field(None, alias="DB_NAME")
    host: str = Field("127.0.0.1", alias="ATELIER_HOST")
    port: PORT = Field(8000, alias="ATELIER_PORT")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(1, alias="ATELIER_WORKERS")
    connections: Annotated[int, Field(ge=1, le=100_000)] = Field(1_000, alias="ATELIER_CONNECTIONS")
    fast: bool = Field(True, alias="ATELIER_FAST")
    media: Path = Field(Path("media"), alias="ATELIER_MEDIA")
    registration: Annotated[Literal["closed", "open"], LOWER] = Field(
        "closed", alias="ATELIER_REGISTRATION"
    )
    origin: Annotated[Origin | None, BeforeValidator(_to_origin)] = Field(
        None, alias="ATELIER_ORIGIN"
    )
    cors_origins: Annotated[tuple[str, ...], AfterValidator(_require_origins), NoDecode, WORDS] = (
        Field((), alias="ATELIER_CORS_ORIGINS")
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, WORDS] = Field(
        (), alias="ATELIER_TRUSTED_PROXIES"
    )
    require_if_match: bool = Field(False, alias="ATELIER_REQUIRE_IF_MATCH")
    currency: str = Field("EUR", alias="ATELIER_CURRENCY")
    log: Annotated[Literal["text", "json"], LOWER] = Field("text", alias="ATELIER_LOG")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], LOWER] = Field(
        "info", alias="ATELIER_LOG_LEVEL"
    )

    @property
    def url(self) -> URL:
        """The database's URL: `DATABASE_URL`, or else the one built from the `DB_` variables."""
        if self.database_url is None and self.db_host is not None:
            parts = {
                "host": self.db_host,
                "port": str(self.db_port),
                "user": self.db_user,
                "password": self.db_password.get_secret_value() if self.db_password else None,
                "dbname": self.db_name,
            }
            return database_url.address({n: v for n, v in parts.items() if v is not None})
        given = self.database_url.get_secret_value() if self.database_url else DEFAULT_URL
        return database_url.read(given)

    @property
    def local_address(self) -> str:
        """The service's URL on this machine; a wildcard address is replaced by loopback."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
        host = everywhere.get(self.host, self.host)
        return f"http://{host_and_port(host, self.port)}"

    @property
    def address(self) -> str:
        """The URL to open in a browser."""
        return self.local_address if self.origin is None else str(self.origin)

    @property
    def sqlite_path(self) -> Path | None:
        """The path of the embedded database, or `None` for a server."""
        url = self.url
        return Path(url.database or "") if url.get_backend_name() == "sqlite" else None

    @property
    def database_place(self) -> Path | URL:
        """The path of the embedded database, or the URL of a server."""
        return self.sqlite_path or self.url

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        self._check_database_parts()
        backend = self.url.get_backend_name()
        if backend == "sqlite" and self.workers > 1:
            raise ValueError("ATELIER_WORKERS must be 1 on SQLite; PostgreSQL takes more")
        try:
            Currency.of(self.currency)
        except InvalidValue:
            raise ValueError("ATELIER_CURRENCY takes a code of ISO 4217, such as EUR") from None
        for proxy in self.trusted_proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError("ATELIER_TRUSTED_PROXIES takes IP addresses or networks") from None
        if str(self.media).startswith("~"):
            raise ValueError("ATELIER_MEDIA: ~ is not expanded; write the whole path")
        if self.media.exists() and not self.media.is_dir():
            raise ValueError("ATELIER_MEDIA must be a folder")
        return self

    def _check_database_parts(self) -> None:
        if self.database_url is not None:
            return
        parts = ("db_user", "db_password", "db_name", "db_port")
        given = [name.upper() for name in parts if name in self.model_fields_set]
        if self.db_host is None:
            if given:
                raise ValueError(f"{given[0]} is set, but DB_HOST is not")
            return
        if self.db_name is None:
            # libpq's default is the database named like the user, which may belong to another
            # service.
            raise ValueError("DB_HOST is set, but DB_NAME is not")
        if not self.db_host.startswith("/") and re.search(r"[\[\]/?@]|^[^:]*:[^:]*$", self.db_host):
            raise ValueError("DB_HOST takes a host alone; its port goes into DB_PORT")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Variables(settings_cls)


class _Variables(PydanticBaseSettingsSource):
    """The source of settings: the environment, then `.env`."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        given = _variables().get(field.alias or field_name)
        return (given and given.value), field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: given.value for name, given in _variables().items()}


def load() -> Settings:
    """Return the settings.

    Raises:
        UnusableSettings: when one of them cannot be used.
    """
    try:
        return Settings()
    except (UnreadableFile, UnusableVariable) as error:
        raise UnusableSettings(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    said = first["msg"].removeprefix("Value error, ")
    if first["loc"]:
        said = f"{first['loc'][0]}: {_requirement(first['type'], first.get('ctx', {})) or said}"
    raise UnusableSettings(f"{said}.")


def _requirement(kind: str, limits: Mapping[str, Any]) -> str | None:
    """Return the requirement that a value violates, in place of pydantic's message."""
    match kind:
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return "must be a whole number"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "literal_error":
            return f"must be {limits['expected']}"
    return None


def _variables() -> dict[str, Variable]:
    return environment.read([info.alias or name for name, info in Settings.model_fields.items()])


def host_and_port(host: str, port: int) -> str:
    """Return the host and port of a URL, with brackets around IPv6 (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shown(url: URL) -> str:
    """Return a URL with its secrets masked."""
    query = {n: "***" if "password" in n.lower() else v for n, v in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


@dataclass(frozen=True)
class ShownSetting:
    """A setting for display, with secrets masked."""

    name: str
    value: str
    source: str


def shown_settings(settings: Settings) -> Iterator[ShownSetting]:
    """Yield each setting with its source."""
    given = _variables()
    for field, info in Settings.model_fields.items():
        name = info.alias or field
        value: Any = getattr(settings, field)
        if field == "database_url":
            value = shown(settings.url)
        elif isinstance(value, SecretStr):
            value = "***"
        text = "" if value is None else str(value)
        if isinstance(value, bool):
            text = text.lower()
        elif isinstance(value, tuple):
            text = ",".join(value)
        source = given[name].source if name in given else "default"
        if field == "database_url" and source == "default" and settings.db_host:
            source = "DB_HOST"
        yield ShownSetting(name, text, source)
