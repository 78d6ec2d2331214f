"""The parts of a document that are stored on the contact behind a person."""

from ..contract.base import pointer
from ..contract.text import quote
from .merge import is_empty, value_at
from .names import join_name
from .parts import Part

# In the order in which they make a name.
_NAME_PARTS = ("givenName", "middleName", "familyName", "suffix")


class OfContact(Part):
    """A part that is stored on the contact."""

    def untouched(self, record, base, ours, theirs):
        # The contact of a member of staff keeps what it has, whatever is said of it.
        return super().untouched(record, base, ours, theirs) or bool(record._get_staff(record.partner_id._origin))


class FullName(OfContact):
    """The whole name of a person. Where a source does not send it, it is made of the parts that it sends."""

    def complete(self, last, new, document):
        if new.get(self.path):
            return
        said = [document.get(key) or None for key in _NAME_PARTS]
        known = last.get(self.path)
        # The parts may have come with a whole name that is another one; it goes on as long as they do.
        if known and said == [last.get(key) or None for key in _NAME_PARTS]:
            document[self.path] = known
        else:
            document[self.path] = join_name(said)


def name_parts(path: str) -> dict[str, Part]:
    """The parts of a person's name.

    :param path: where a document says the whole name
    """
    return {
        path: FullName("name"),
        "givenName": Part("given_name"),
        "middleName": Part("middle_name"),
        "familyName": Part("family_name"),
        "suffix": Part("name_suffix"),
        "title": Part("name_title"),
        "preferredName": Part("preferred_name"),
    }


class Country(OfContact):
    """A country, by its ISO 3166 code or one of its names."""

    def meaning(self, model, value):
        if is_empty(value):
            return None
        return model.env["res.country"]._school_find(value) or value.strip().casefold()

    def holds(self, record, value, now):
        # The record tells its country in the language of whoever asks.
        return (record[self.field].id or None) == self.meaning(record, value)

    def prepare(self, model, source, items):
        for item in items:
            word = value_at(item.decision.document, self.path)
            country_id = self.meaning(model, word)
            if isinstance(country_id, str):
                item.fail(
                    pointer(*self.path.split(".")),
                    "unknown_country",
                    model.env._(
                        "%(word)s is not a country that Odoo knows. Send its English name or its ISO 3166 code, such "
                        "as India or IN.",
                        word=quote(word),
                    ),
                )
            else:
                item.values[self.field] = country_id or False


class State(OfContact):
    """A state, by its code or its English name; one that Odoo does not know is kept as text.

    :param text: the field for a state that Odoo does not know
    :param country: the part that says which country the state belongs to
    """

    def __init__(self, field: str, text: str, country: str):
        super().__init__(field)
        self.text, self.country = text, country

    def same(self, model, one, other):
        return super().same(model, one, other) or bool(self._find(model, one) & self._find(model, other))

    def holds(self, record, value, now):
        if is_empty(value) or is_empty(now):
            return is_empty(value) and is_empty(now)
        return value.casefold() == now.casefold() or record[self.field].id in self._find(record, value)

    def prepare(self, model, source, items):
        """Nothing yet: see :meth:`prepare_all`."""

    def prepare_all(self, model, source, items) -> None:
        """Find the states of ``items`` of which the state or its country changes.

        Where the country changes alone, the state is another one of the same name, or mere text.
        """
        changed = [item for item in items if not item.paths.isdisjoint((self.path, self.country))]
        if not changed:
            return
        ids = model.env["res.country.state"]._school_ids_by_word()
        records = {record.id: record for record in model.browse([item.res_id for item in changed if item.res_id])}
        for item in changed:
            record = records.get(item.res_id)
            if not record:
                # Of a person who is new, the contact may have been there before.
                found = item.values.get("partner_id")
                record = model.new({"partner_id": found}) if found else model.browse()
            if self.path in item.paths:
                word = value_at(item.decision.document, self.path)
            else:
                word = record[self.field].with_context(lang="en_US").name or record[self.text]
            country_id = item.values.get("country_id", record.country_id.id) or source.company_id.country_id.id
            state_id = ids.get((country_id, word.casefold()), False) if word else False
            if word and not state_id:
                item.warn(
                    model.env._(
                        "%(pointer)s %(word)s is not a state that Odoo knows. It was kept as text.",
                        pointer=pointer(*self.path.split(".")),
                        word=quote(word),
                    )
                )
            item.values.update({self.field: state_id, self.text: False if state_id else word or False})

    def _find(self, model, word) -> set[int]:
        """The states of any country that ``word`` may name."""
        if is_empty(word):
            return set()
        word = word.casefold()
        ids = model.env["res.country.state"]._school_ids_by_word()
        return {state_id for (_country_id, known), state_id in ids.items() if known == word}

    def _read_one(self, record):
        return record[self.field].name or record[self.text] or None


def address_parts() -> dict[str, Part]:
    """The parts of a person's address. All but the address for letters is the address of the contact."""
    return {
        "address.permanent": OfContact("street"),
        "address.correspondence": Part("correspondence_address"),
        "address.city": OfContact("city"),
        "address.state": State("state_id", text="state_text", country="address.country"),
        "address.country": Country("country_id"),
        "address.pin": OfContact("zip"),
    }
