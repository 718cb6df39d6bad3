"""The composition root: settings, container and application. No other module imports it."""

from dependency_injector import containers, providers
from fastapi import FastAPI

import settings as configuration
from adapters import clock, logs
from adapters.markdown import WorkerMarkdown
from adapters.passwords import Argon2PasswordHasher
from adapters.pictures import FolderImageStore
from adapters.sql.queries.access import SqlAccessQueries, SqlTokenQueries
from adapters.sql.queries.catalogue import SqlCategoryQueries, SqlProductQueries
from adapters.sql.queries.devices import SqlDeviceQueries
from adapters.sql.queries.posts import SqlPostQueries
from adapters.sql.queries.stock import SqlMovementQueries
from adapters.sql.queries.tasks import SqlTaskQueries
from adapters.sql.queries.users import SqlUserQueries
from adapters.sql.unit_of_work import SqlUnitOfWork
from commands import make_database
from entrypoints.app import make_app
from entrypoints.server.protocol import FastProtocol as HttpProtocol
from entrypoints.server.route_table import RouteTable
from entrypoints.web.middleware import REQUEST_ID
from service_layer.authentication import Authenticator
from service_layer.database_monitor import DatabaseMonitor
from service_layer.password_hashing import PasswordHashing
from service_layer.runner import Runner
from service_layer.throttle import Throttle

__all__ = ["Container", "HttpProtocol", "RouteTable", "application"]


class Container(containers.DeclarativeContainer):
    """The implementation of every port. Tests override the providers of the adapters."""

    settings = providers.Singleton(configuration.load)
    clock = providers.Object(clock.utc_now)
    database = providers.Singleton(make_database, settings)
    unit_of_work = providers.Factory(SqlUnitOfWork, database)
    runner = providers.Singleton(
        Runner, unit_of_work.provider, full_batch=database.provided.full_batch
    )
    passwords = providers.Singleton(Argon2PasswordHasher)
    pictures = providers.Singleton(FolderImageStore, settings.provided.media)
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
    password_hashing = providers.Singleton(
        PasswordHashing, access_queries, user_queries, passwords, authenticator, throttle, clock
    )


def application(container: Container | None = None) -> FastAPI:
    """Return the ASGI application; each worker process creates one."""
    container = container or Container()
    settings = container.settings()
    logs.configure(settings.log, settings.log_level, REQUEST_ID.get)
    return make_app(
        container,
        require_if_match=settings.require_if_match,
        registration_open=settings.registration == "open",
        currency=settings.currency,
        cors_origins=settings.cors_origins,
        origin=settings.origin,
        trusted_proxies=settings.trusted_proxies,
        route_table=RouteTable,
    )
