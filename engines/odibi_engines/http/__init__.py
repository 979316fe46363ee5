"""Reading web services: requests, pages and records, landed as a file of JSON lines."""

from .client import Client
from .landing import land
from .settings import api_read

__all__ = ["Client", "api_read", "land"]
