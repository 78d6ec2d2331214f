"""``courses``: what is taught."""

from typing import Annotated

from pydantic import Field

from .base import ExternalId, Name
from .entry import EntryDocument
from .money import Money


class CourseDocument(EntryDocument):
    """A course, of one school or, without ``schoolExternalId``, of the district."""

    school_external_id: ExternalId | None = None
    department: Name | None = None
    credits: Annotated[Money, Field(ge=0, lt=1000)] | None = None
