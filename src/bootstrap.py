"""The composition root: settings, container and application. No other module imports it."""

import os
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dependency_injector import containers, providers
from fastapi import FastAPI
from opentelemetry import trace
from sqlalchemy import URL

import settings as configuration
from adapters import clock, logs
from adapters.images import FolderImageStore
from adapters.markdown import WorkerMarkdown
from adapters.passwords import Argon2PasswordHasher
from adapters.sql.queries.access import SqlAccessQueries, SqlTokenQueries
from adapters.sql.queries.catalogue import SqlCategoryQueries, SqlProductQueries
from adapters.sql.queries.devices import SqlDeviceQueries
from adapters.sql.queries.posts import SqlPostQueries
from adapters.sql.queries.stock import SqlMovementQueries
from adapters.sql.queries.tasks import SqlTaskQueries
from adapters.sql.queries.users import SqlUserQueries
from adapters.sql.unit_of_work import SqlUnitOfWork
from commands import database_at
from entrypoints.app import RouteTableFactory, make_app
from entrypoints.web.dependencies import Ports
from entrypoints.web.middleware import REQUEST_ID
from entrypoints.web.protocol import Protocol
from service_layer.accounts import AccountService
from service_layer.authentication import Authenticator
from service_layer.database_monitor import DatabaseMonitor
from service_layer.runner import Runner
from service_layer.throttle import Throttle

if TYPE_CHECKING:  # fast lane
    from adapters.sql.fast.database import FastDatabase  # fast lane


class Container(containers.DeclarativeContainer):
    """The implementation of every port, in the plain lane.

    The fast lane overrides some of the providers, and tests those of the adapters.
    """

    settings = providers.Singleton(configuration.load)
    clock = providers.Object(clock.utc_now)
    database = providers.Singleton(database_at, settings.provided.database_place)
    unit_of_work = providers.Factory(SqlUnitOfWork, database)
    runner = providers.Singleton(Runner, unit_of_work.provider)
    route_table: providers.Object[RouteTableFactory | None] = providers.Object(None)
    passwords = providers.Singleton(Argon2PasswordHasher)
    images = providers.Singleton(FolderImageStore, settings.provided.media)
    markdown = providers.Singleton(WorkerMarkdown)
    task_queries = providers.Singleton(SqlTaskQueries, database)
    post_queries = providers.Singleton(SqlPostQueries, database)
    user_queries = providers.Singleton(SqlUserQueries, database)
    category_queries = providers.Singleton(SqlCategoryQueries, database)
    product_queries = providers.Singleton(SqlProductQueries, database)
    movement_queries = providers.Singleton(SqlMovementQueries, database)
    device_queries = providers.Singleton(SqlDeviceQueries, database)
    token_queries = providers.Singleton(SqlTokenQueries, database)
    access_queries = providers.Singleton(SqlAccessQueries, database)
    database_monitor = providers.Singleton(DatabaseMonitor, database, runner)
    throttle = providers.Singleton(Throttle, access_queries, runner, clock)
    authenticator = providers.Singleton(
        Authenticator, access_queries, passwords, runner, clock, throttle
    )
    accounts = providers.Singleton(
        AccountService,
        access_queries,
        user_queries,
        passwords,
        images,
        authenticator,
        throttle,
        runner,
        clock,
    )


def make_container() -> Container:
    """Return the container, with the fast lane unless `ATELIER_FAST` is false."""
    container = Container()
    if container.settings().fast:  # fast lane
        use_fast_lane(container)  # fast lane
    return container


def make_ports(container: Container) -> Ports:
    """Return the ports of the endpoints, each from the provider of its name."""
    return Ports(**{port.name: container.providers[port.name]() for port in fields(Ports)})


def application(container: Container | None = None) -> FastAPI:
    """Return the ASGI application; each worker process creates one."""
    container = container or make_container()
    settings = container.settings()
    logs.configure(settings.log, settings.log_level, REQUEST_ID.get)
    return make_app(
        make_ports(container),
        require_if_match=settings.require_if_match,
        registration_open=settings.registration == "open",
        currency=settings.currency,
        cors_origins=settings.cors_origins,
        origin=settings.origin,
        trusted_proxies=settings.trusted_proxies,
        route_table=container.route_table(),
        telemetry=_has_telemetry(),
    )


def _has_telemetry() -> bool:
    """Return whether OpenTelemetry is configured, by the environment or by a provider.

    FastAPI would look for a provider at each request, which takes up to a tenth of a read's time.
    """
    provider = trace.get_tracer_provider()
    by_environment = any(name.startswith(("OTEL_", "FASTAPI_OTEL_")) for name in os.environ)
    return by_environment or not isinstance(provider, trace.ProxyTracerProvider)


def http_protocol(*args: Any, **kwargs: Any) -> Protocol:
    """Return the protocol of a new connection; uvicorn imports this function by its name."""
    return http_protocol_class()(*args, **kwargs)


@cache
def http_protocol_class() -> type[Protocol]:
    """Return the HTTP protocol, that of the fast lane unless `ATELIER_FAST` is false."""
    if configuration.load().fast:  # fast lane
        return fast_http_protocol_class()  # fast lane
    return Protocol


# The fast lane: service_layer/group_commit, adapters/sql/fast and entrypoints/server. Without these
# folders, the following lines and those marked above, the service works as well, only slower. The
# imports are inside the functions, so that `ATELIER_FAST=false` helps if one of them fails.


def fast_http_protocol_class() -> type[Protocol]:
    """Return the HTTP protocol of the fast lane."""
    from entrypoints.server.protocol import FastProtocol

    return FastProtocol


def fast_database_at(place: Path | URL) -> "FastDatabase":
    """Return the database of the fast lane in a file or on a server; see `database_at`."""
    if isinstance(place, Path):
        from adapters.sql.fast.sqlite_database import FastSqliteDatabase

        return FastSqliteDatabase(place)
    from adapters.sql.fast.postgres_database import FastPostgresDatabase

    return FastPostgresDatabase(place)


def fast_route_table() -> RouteTableFactory:
    """Return the route table of the fast lane."""
    from entrypoints.server.route_table import RouteTable

    return RouteTable


def use_fast_lane(container: Container) -> None:
    """Override the providers of the plain lane by those of the fast lane."""
    from adapters.sql.fast.unit_of_work import SqlBatchUnitOfWork
    from service_layer.group_commit.runner import GroupCommitRunner

    place = container.settings.provided.database_place
    container.database.override(providers.Singleton(fast_database_at, place))
    container.runner.override(
        providers.Singleton(
            GroupCommitRunner,
            container.unit_of_work.provider,
            providers.Factory(SqlBatchUnitOfWork, container.database).provider,
            policy=container.database.provided.batch_policy,
        )
    )
    container.route_table.override(providers.Object(fast_route_table()))
