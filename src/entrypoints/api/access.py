"""`/auth`, `/tokens` and `/setup`: sign-in, personal tokens, and the first admin."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from domain.access import SESSION_LIFETIME, TOKEN_NAME, AlreadySetUp, Scope, TokenFilter
from domain.errors import AuthenticationFailed, NotFound
from entrypoints.api.users import NewUser, PasswordText
from entrypoints.web.body import SMALL_BODY
from entrypoints.web.dependencies import (
    Accounts,
    AuthenticatorPort,
    ClientAddress,
    CurrentActor,
    CurrentContext,
    CurrentGrant,
    IfMatch,
    Tokens,
    UseCases,
    ports,
)
from entrypoints.web.pagination import ListParameters, ListResponse
from entrypoints.web.route import ApiRoute, PathEntity, problems
from entrypoints.web.schema_types import Moment, compared_text, text
from service_layer import access
from service_layer.queries.access import Grant, TokenView
from service_layer.queries.users import UserView

router = APIRouter(prefix="/api/v1", tags=["access"], route_class=ApiRoute)


class SignIn(BaseModel):
    """OAuth 2.0 password grant (RFC 6749, 4.3.2); scope and client credentials are ignored."""

    model_config = ConfigDict(extra="forbid")

    username: Annotated[str, compared_text(200)] = Field(
        description="A username or an e-mail address."
    )
    password: PasswordText
    grant_type: Literal["password"] = "password"
    scope: str = Field("", max_length=1_000)
    client_id: str = Field("", max_length=1_000)
    client_secret: str = Field("", max_length=1_000)


class SignedIn(TypedDict):
    """A session token (RFC 6749, 5.1); `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int


class NewToken(BaseModel):
    """A personal token to create."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, text(TOKEN_NAME)]
    scope: Scope
    expires_at: Moment | None = None


@dataclass(kw_only=True)
class IssuedToken(TokenView):
    """A personal token with its secret, which is shown only once."""

    token: str


class TokenParameters(ListParameters):
    """Pagination and sort of a list of personal tokens."""

    sorts = {"created_at": datetime}

    sort: Literal["created_at", "-created_at"] = "created_at"


class FirstAdmin(NewUser):
    """The first admin, and the one-time secret that the server prints at its first start."""

    secret: Annotated[str, compared_text(100)] | None = None


class SetupParameters(BaseModel):
    """The secret as a parameter, as in the address that the server prints."""

    model_config = ConfigDict(extra="forbid")

    secret: Annotated[str, compared_text(100)] | None = Field(
        None, description="The one-time secret, if the body does not contain it."
    )


async def _look(request: Request, token_id: UUID) -> TokenView | None:
    grant: Grant = request.scope["grant"]
    return await ports(request).token_queries.owned(token_id, grant.actor.id)


async def _awaited(request: Request) -> None:
    """Require that there is no admin yet.

    Raises:
        AlreadySetUp: when setup is complete; the response is a 404.
    """
    if not await ports(request).access_queries.awaits_setup():
        raise AlreadySetUp


TokenId = Annotated[UUID, Path(description="The token's id."), PathEntity("token", _look)]


@router.post(
    "/auth/token",
    openapi_extra=problems("unauthenticated", "too-many-requests"),
    max_body_size=SMALL_BODY,
)
async def sign_in(
    form: Annotated[SignIn, Form()], authenticator: AuthenticatorPort, address: ClientAddress
) -> SignedIn:
    """Sign in with a password, and create a session token."""
    issued = await authenticator.sign_in(form.username, form.password, address)
    return {
        "access_token": issued.secret,
        "token_type": "bearer",
        "expires_in": int(SESSION_LIFETIME.total_seconds()),
    }


@router.delete("/auth/token", status_code=204)
async def sign_out(grant: CurrentGrant, run: UseCases, ctx: CurrentContext) -> None:
    """Revoke the token of this request."""
    await run(access.revoke_current_token, grant.token_id, ctx)


@router.get("/tokens")
async def list_tokens(
    asked: Annotated[TokenParameters, Query()], token_queries: Tokens, by: CurrentActor
) -> ListResponse[TokenView]:
    """List the caller's personal tokens, with pagination."""
    return asked.to_response(
        await token_queries.list_page(TokenFilter(user_id=by.id), asked.page_request())
    )


@router.post("/tokens", status_code=201, openapi_extra=problems("too-many-tokens"))
async def create_token(
    new: NewToken, grant: CurrentGrant, run: UseCases, ctx: CurrentContext
) -> IssuedToken:
    """Create a personal token. The response is the only one that contains its secret."""
    issued = await run(
        access.create_token,
        ctx,
        **vars(new),
        session_token_id=grant.token_id,
    )
    return IssuedToken(**asdict(TokenView.of(issued.token)), token=issued.secret)


@router.get("/tokens/{token_id:id}")
async def read_token(token_id: TokenId, token_queries: Tokens, by: CurrentActor) -> TokenView:
    """Read a personal token of the caller."""
    token = await token_queries.owned(token_id, by.id)
    if token is None:
        raise NotFound("token", token_id)
    return token


@router.delete("/tokens/{token_id:id}", status_code=204)
async def delete_token(
    token_id: TokenId, expected: IfMatch, run: UseCases, ctx: CurrentContext
) -> None:
    """Revoke a personal token of the caller."""
    await run(access.revoke_token, token_id, ctx, expected)


@router.post(
    "/setup",
    max_body_size=SMALL_BODY,
    status_code=201,
    openapi_extra=problems("unauthenticated", "not-found", "already-taken", "too-many-requests"),
)
async def set_up(
    new: FirstAdmin,
    asked: Annotated[SetupParameters, Query()],
    awaited: Annotated[None, Depends(_awaited)],
    accounts: Accounts,
    ctx: CurrentContext,
) -> UserView:
    """Create the first admin, with the secret that the server prints at its first start."""
    profile = dict(new)
    secret = profile.pop("secret") or asked.secret
    if secret is None:
        raise AuthenticationFailed("Send the setup code shown in the server log at start-up.")
    return UserView.of(await accounts.set_up(secret, ctx, **profile))
