"""The sentences of the contract, which knows no language, in the language of whoever is told them."""

from odoo.tools.translate import get_translation

from ..contract.base import Reading
from ..contract.text import Message

MODULE = "school_erp_sync"


def in_language_of(user, reading: Reading) -> Reading:
    """``reading`` with its errors and warnings in the language of ``user``."""
    # An API user asks without a context that would name one.
    lang = user.lang or "en_US"

    def translate(message: Message) -> str:
        return get_translation(MODULE, lang, message.template, message.params)

    return reading.translated(translate) if reading.errors or reading.warnings else reading
