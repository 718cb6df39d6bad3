"""The site for the public and the office for the workshop's people: pages over the use cases."""

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
