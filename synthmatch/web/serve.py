"""The server at work: an address, a browser that opens there, an end at Ctrl-C. The only module that knows uvicorn."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from synthmatch.errors import InputError
from synthmatch.extras import remedy

if TYPE_CHECKING:
    import uvicorn

    from synthmatch.networks.encoder import Encoder
    from synthmatch.web.studio import Studio

PORT = 8765
"""Where the page is if no other port is asked for."""

_NEEDED = ("starlette", "uvicorn", "jinja2", "python_multipart")
_GRACE = 2  # seconds that streams have to end when the server does


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Args:
        host: 127.0.0.1, or another of this machine's addresses; then there's a token.
        port: 0 for any that is free.
    """

    host: str = "127.0.0.1"
    port: int = PORT

    @property
    def everywhere(self) -> bool:
        """Whether it is no address, but stands for all that this machine has: 0.0.0.0 or ::."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:  # a name
            return False

    @property
    def here(self) -> str:
        """The host by which this machine itself reaches the server."""
        if not self.everywhere:
            return self.host
        return "::1" if ":" in self.host else "127.0.0.1"

    @property
    def reached(self) -> str:
        """The host by which other machines reach it, if any do."""
        return _own_address(":" in self.host) if self.everywhere else self.host


def serve(
    library: Path | None,
    encoder: Encoder,
    address: Address,
    ready: Callable[[str], None],
    browser: bool = True,
) -> None:
    """Serve the page until Ctrl-C, or until the terminal is closed.

    Args:
        library: its folder; the default one if None; an empty one is made if there is none.
        ready: told the page's address, with the token if there is one, as soon as it answers.
        browser: whether to open it there.

    Raises:
        InputError: the port is taken, or the host isn't this machine's, or a package is missing.
        EncoderMismatch, LibraryError: see ``Studio``.
    """
    require()
    import uvicorn

    from synthmatch.web.app import create_app
    from synthmatch.web.guard import LOOPBACK
    from synthmatch.web.studio import Studio

    token = "" if address.host in LOOPBACK else secrets.token_urlsafe(24)
    with _listening(address) as listener, _hangups_end(), Studio(library, encoder) as studio:
        config = uvicorn.Config(
            create_app(studio, token),
            log_level="warning",
            limit_concurrency=studio.limits.connections,
            timeout_graceful_shutdown=_GRACE,
            server_header=False,
        )
        entry = f":{listener.getsockname()[1]}/" + (f"?token={token}" if token else "")
        ready(f"http://{_in_url(address.reached)}{entry}")
        if browser:
            # The socket listens already: a browser that is quicker than the server waits.
            own = f"http://{_in_url(address.here)}{entry}"
            threading.Thread(target=webbrowser.open, args=(own,), daemon=True).start()
        server = uvicorn.Server(config)
        _end_streams(server, studio)
        server.run([listener])


def _own_address(newer: bool) -> str:
    """This machine's address in its network, of IPv6 if ``newer``; its name if it is in none."""
    family, stranger = (socket.AF_INET6, "2001:db8::1") if newer else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((stranger, 9))  # sends nothing; it only decides from which address that would be sent
        except OSError:
            return socket.gethostname()
        address: str = probe.getsockname()[0]
        return address


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _end_streams(server: uvicorn.Server, studio: Studio) -> None:
    """Before the server waits for its streams at a signal, have them end: a job may take longer than anybody waits."""
    usual = server.handle_exit

    def handle(number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # it stops before it has begun
            asyncio.get_running_loop().call_soon_threadsafe(studio.give_up)
        usual(number, frame)

    server.handle_exit = handle  # type: ignore[assignment, method-assign]


@contextmanager
def _hangups_end() -> Iterator[None]:
    """A terminal that is closed ends the server as SIGTERM does, which leaves nothing behind that was sent; Python by
    itself would be gone at once. Whoever had it ignored, as ``nohup`` has, wants the server to stay."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is None or signal.getsignal(hangup) != signal.SIG_DFL:
        yield
        return
    signal.signal(hangup, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(hangup, signal.SIG_DFL)


def require() -> None:
    """Make sure that what the page needs is installed.

    Raises:
        InputError: it isn't; the message says how to get it.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"The page needs {', '.join(missing)}; {remedy('web')}.")


def _listening(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InputError(
            f"{address.host}:{address.port} can't be listened to ({error.strerror}); name another port.", remedy="port"
        ) from error
    return listener
