"""Through which proxy a service is asked: as the environment or the system says."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3.util import make_headers

from odibi.errors import EngineError

__all__ = ["Proxy", "proxy_for"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address without what proves who asks, and the headers that do."""

    url: str
    headers: dict[str, str] = field(repr=False)


def proxy_for(url: str) -> Proxy | None:
    """The proxy of an address, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; None for none.

    This machine is never asked through one. Raises EngineError for a proxy that speaks no HTTP.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_here(host) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    known = getproxies()
    said = known.get(parts.scheme) or known.get("all")
    if not said:
        return None
    proxy = urlsplit(said if "://" in said else f"http://{said}")
    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise EngineError(
            f"the proxy of the environment is of type {proxy.scheme}: only http and https are known",
            hint="see HTTP_PROXY, HTTPS_PROXY and ALL_PROXY; NO_PROXY names hosts to ask directly",
        )
    address = f"{proxy.scheme}://{proxy.netloc.rpartition('@')[2]}"
    if proxy.username is None:
        return Proxy(address, {})
    who = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return Proxy(address, dict(make_headers(proxy_basic_auth=who)))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
