"""The settings: from the environment, from `.env`, or the defaults."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DEFAULT_URL = "sqlite:///atelier.db"
LOWER = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
# Several values stand in one variable, with commas between them.
WORDS = BeforeValidator(
    lambda value: (
        tuple(word.strip() for word in value.split(",") if word.strip())
        if isinstance(value, str)
        else value
    )
)
PORT = Annotated[int, Field(ge=1, le=65535)]


class UnusableSettings(Exception):
    """A setting cannot be used; `str()` of the error is one line that says which and why."""


class Settings(BaseSettings):
    """What can be set; each field's alias is the name of its variable."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    db_host: str | None = Field(None, alias="DB_HOST")
    db_port: PORT = Field(5432, alias="DB_PORT")
    db_user: str | None = Field(None, alias="DB_USER")
    db_password: SecretStr | None = Field(None, alias="DB_PASSWORD")
    db_name: str | None = Field(None, alias="DB_NAME")
    host: str = Field("127.0.0.1", alias="ATELIER_HOST")
    port: PORT = Field(8000, alias="ATELIER_PORT")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(1, alias="ATELIER_WORKERS")
    media: Path = Field(Path("media"), alias="ATELIER_MEDIA")
    registration: Annotated[Literal["closed", "open"], LOWER] = Field(
        "closed", alias="ATELIER_REGISTRATION"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, WORDS] = Field(
        (), alias="ATELIER_CORS_ORIGINS"
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
        """The database's address: `DATABASE_URL`, or else what the `DB_` variables say."""
        if self.database_url is None and self.db_host is not None:
            password = self.db_password.get_secret_value() if self.db_password else None
            return URL.create(
                "postgresql", self.db_user, password, self.db_host, self.db_port, self.db_name
            )
        given = self.database_url.get_secret_value() if self.database_url else DEFAULT_URL
        return make_url(given)

    @property
    def sqlite_path(self) -> Path | None:
        """The embedded database's file, if it is one."""
        url = self.url
        return Path(url.database or "") if url.get_backend_name() == "sqlite" else None

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        strays = [n for n in ("db_user", "db_password", "db_name") if getattr(self, n) is not None]
        if strays and self.db_host is None and self.database_url is None:
            raise ValueError(f"{strays[0].upper()} is set, but DB_HOST is not")
        try:
            url = self.url
            backend = url.get_backend_name()
        except (ArgumentError, ValueError):
            raise ValueError("DATABASE_URL is not a database's address") from None
        if backend not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("DATABASE_URL must begin with sqlite:/// or postgresql://")
        if "@" in (url.host or ""):
            raise ValueError("DATABASE_URL has a second @; one in a password is written %40")
        if backend == "sqlite" and url.database in (None, "", ":memory:"):
            raise ValueError("DATABASE_URL must name a file, as in sqlite:///atelier.db")
        if backend == "sqlite" and self.workers > 1:
            raise ValueError("ATELIER_WORKERS must be 1 on SQLite; PostgreSQL takes more")
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise ValueError("ATELIER_CURRENCY takes a code of ISO 4217, such as EUR")
        for origin in self.cors_origins:
            if not re.fullmatch(r"https?://[^/\s?#*@]+", origin):
                raise ValueError("ATELIER_CORS_ORIGINS takes origins such as https://example.org")
        for proxy in self.trusted_proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError("ATELIER_TRUSTED_PROXIES takes IP addresses or networks") from None
        if self.media.exists() and not self.media.is_dir():
            raise ValueError("ATELIER_MEDIA must be a folder")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings


def load() -> Settings:
    """Return the settings.

    Raises:
        UnusableSettings: when one of them cannot be used.
    """
    try:
        return Settings()
    except UnicodeDecodeError:
        raise UnusableSettings(".env is not text in UTF-8.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    where = f"{first['loc'][0]}: " if first["loc"] else ""
    raise UnusableSettings(f"{where}{first['msg'].removeprefix('Value error, ')}.")


def shown(url: URL) -> str:
    """Return an address without the secrets in it."""
    query = {n: "***" if "password" in n.lower() else v for n, v in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


@dataclass(frozen=True)
class Told:
    """A setting as it is shown: secrets are masked."""

    name: str
    value: str
    source: str


def tell(settings: Settings) -> Iterator[Told]:
    """Yield each setting with where it comes from."""
    sources: dict[str, str] = {}
    for name, source in _sources():
        sources.setdefault(name, source)
    for field, info in Settings.model_fields.items():
        name = info.alias or field
        value: Any = getattr(settings, field)
        if field == "database_url":
            value = shown(settings.url)
        elif isinstance(value, SecretStr):
            value = "***"
        told = "" if value is None else str(value)
        if isinstance(value, bool):
            told = told.lower()
        elif isinstance(value, tuple):
            told = ",".join(value)
        source = sources.get(name.lower(), "default")
        if field == "database_url" and source == "default" and settings.db_host:
            source = "DB_HOST"
        yield Told(name, told, source)


def _sources() -> Iterator[tuple[str, str]]:
    from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

    for source, told in (
        (EnvSettingsSource(Settings), "environment"),
        (DotEnvSettingsSource(Settings), ".env"),
    ):
        for name, value in source.env_vars.items():
            if value:
                yield name.lower(), told
