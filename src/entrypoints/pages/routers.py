"""The routers of all pages, in order of matching."""

from entrypoints.pages import (
    access,
    assets,
    categories,
    choices,
    dashboard,
    devices,
    docs,
    posts,
    products,
    profile,
    site,
    stock,
    tasks,
    users,
)

ROUTERS = (
    site.router,
    dashboard.router,
    tasks.router,
    stock.router,
    categories.router,
    choices.router,
    products.router,
    devices.router,
    posts.router,
    users.router,
    profile.router,
    access.router,
    assets.router,
    docs.router,
)
