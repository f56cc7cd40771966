"""The management API, loaded when somebody first asks for it: other companies must not wait for its libraries."""

import asyncio
import importlib
from collections.abc import Callable
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send

from ashiato.api.apps import ROOT as APP_ROOT
from ashiato.api.management.gate import Gate, KeyList
from ashiato.api.management.oidc import Oidc, OidcRules, egress_fetch
from ashiato.clients.ways_out import WaysOut
from ashiato.wiring.settings import ManagementSettings


class LazyApp:
    """An ASGI application that is built, in a thread, at the first request."""

    def __init__(self, module: str, build: Callable[[object], ASGIApp]) -> None:
        self._module = module
        self._build = build
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, the first of which waits for the load."""
        await (await self.load())(scope, receive, send)

    async def load(self) -> ASGIApp:
        """The application."""
        if self._app is None:
            async with self._lock:
                if self._app is None:
                    module = await asyncio.to_thread(importlib.import_module, self._module)
                    self._app = self._build(module)
        return self._app


class TwoDoors:
    """The listener for a company's own people and programs: apps have a door of their own, and no key fits both."""

    def __init__(self, management: ASGIApp, app_interface: ASGIApp) -> None:
        self._management = management
        self._app_interface = app_interface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request behind the door of its address."""
        is_of_app = scope["type"] == "http" and scope["path"].startswith(f"{APP_ROOT}/")
        await (self._app_interface if is_of_app else self._management)(scope, receive, send)


def make_gate(settings: ManagementSettings, keys: KeyList, ways_out: WaysOut) -> Gate:
    """Who may use the management API, by the settings."""
    tokens = None
    if settings.oidc is not None:
        rules = OidcRules(
            issuer=settings.oidc.issuer,
            audience=settings.oidc.audience,
            participants_claim=settings.oidc.participants_claim,
            operator_scope=settings.oidc.operator_scope,
        )
        tokens = Oidc(rules, egress_fetch(ways_out.to(settings.oidc.own_networks)))
    return Gate(operator_key_hashes=settings.operator_key_sha256, participant_keys=keys, tokens=tokens)


def app_builder(*parts: object) -> Callable[[object], ASGIApp]:
    """Builds the management application from its loaded module and what it works with."""

    def build(module: object) -> ASGIApp:
        create_app = cast(Callable[..., ASGIApp], getattr(module, "create_app"))  # noqa: B009  the module is a value here
        return create_app(*parts)

    return build
