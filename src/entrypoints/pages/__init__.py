"""The site for the public and the office for the workshop's people: pages over the use cases."""

from entrypoints.pages import (
    access,
    assets,
    categories,
    machines,
    office,
    people,
    products,
    profile,
    stock,
    tasks,
)

ROUTERS = (
    office.router,
    tasks.router,
    stock.router,
    categories.router,
    products.router,
    machines.router,
    people.router,
    profile.router,
    access.router,
    assets.router,
)
