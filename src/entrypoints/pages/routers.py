"""The pages' routes, in the order in which they are looked through."""

from entrypoints.pages import (
    access,
    assets,
    categories,
    choices,
    docs,
    machines,
    news,
    office,
    people,
    products,
    profile,
    site,
    stock,
    tasks,
)

ROUTERS = (
    site.router,
    office.router,
    tasks.router,
    stock.router,
    categories.router,
    choices.router,
    products.router,
    machines.router,
    news.router,
    people.router,
    profile.router,
    access.router,
    assets.router,
    docs.router,
)
