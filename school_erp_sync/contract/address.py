"""Where a person lives, and where letters go."""

from .base import Name, Payload, Text


class Address(Payload):
    permanent: Text | None = None
    correspondence: Text | None = None
    city: Name | None = None
    state: Name | None = None
    country: Name | None = None
    pin: Name | None = None
