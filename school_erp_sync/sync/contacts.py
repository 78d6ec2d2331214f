"""The parts of a document that are stored on the contact behind a person."""

import phonenumbers

from ..contract.base import pointer
from ..contract.contact_point import email_key, phone_key
from ..contract.email import addresses_in
from ..contract.text import quote
from .merge import is_empty, value_at
from .names import join_name
from .parts import Enriching, Part, Remark, Unread

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


class Email(Enriching, OfContact):
    """An e-mail address: the first good one of what is sent."""

    def understands(self, model, value):
        return bool(addresses_in(value)[0])

    def remark(self, source, item, value):
        return remark_on_email(source, pointer(*self.path.split(".")), value)

    def meaning(self, model, value):
        return email_key(value) if value and self.understands(model, value) else super().meaning(model, value)

    def to_value(self, model, value):
        return addresses_in(value or "")[0] or False


def remark_on_email(source, where: str, value: str) -> Remark | None:
    """Return what people should know of ``value``, which a document says at ``where``."""
    first, rest = addresses_in(value)
    if first and not rest:
        return None
    if not first:
        return Remark(
            source.env._(
                "%(pointer)s %(value)s is not a valid e-mail address. It was kept as text, and no mail is sent to it. "
                "Send one address, such as name@example.com.",
                pointer=where,
                value=quote(value),
            ),
            is_unread=True,
        )
    return Remark(
        source.env._(
            "%(pointer)s is not one e-mail address. %(first)s is used, and not: %(rest)s. Send one address.",
            pointer=where,
            first=first,
            rest=quote(", ".join(rest)),
        )
    )


class Phone(Part):
    """A phone number, which is kept as it is given: a family is worth more than a phone number."""

    def meaning(self, model, value):
        return None if is_empty(value) else phone_key(value)

    def remark(self, source, item, value):
        return remark_on_phone(source, pointer(*self.path.split(".")), value)

    def to_value(self, model, value):
        return value or False


def remark_on_phone(source, where: str, number: str) -> Remark | None:
    """Return what people should know of ``number``, which a document says at ``where``."""
    # Only a number without the code of its country needs that of the school.
    region = None if number.startswith("+") else source.company_id.country_code or None
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        possible = False
    if possible:
        return None
    return Remark(
        source.env._(
            "%(pointer)s %(number)s does not look like a phone number. It was kept as it is.",
            pointer=where,
            number=quote(number),
        )
    )


class ContactPhone(Phone, OfContact):
    """The phone number of the contact."""


class Country(Enriching, OfContact):
    """A country, by its ISO 3166 code or one of its names."""

    def understands(self, model, value):
        return bool(model.env["res.country"]._school_find(value))

    def explain(self, model, value):
        where = pointer(*self.path.split("."))
        if suggestion := model.env["res.country"]._school_suggest(value):
            return model.env._(
                "%(pointer)s %(word)s is not a country that Odoo knows. It was kept as text. If you mean "
                "%(suggestion)s, send that name.",
                pointer=where,
                word=quote(value),
                suggestion=suggestion,
            )
        return model.env._(
            "%(pointer)s %(word)s is not a country that Odoo knows. It was kept as text. Send its English name or its "
            "ISO 3166 code, such as India or IN.",
            pointer=where,
            word=quote(value),
        )

    def meaning(self, model, value):
        if is_empty(value):
            return None
        return model.env["res.country"]._school_find(value) or super().meaning(model, value)

    def holds(self, record, value, now):
        # The record tells its country in the language of whoever asks.
        meaning = self.meaning(record, value)
        return (record[self.field].id or None) == (None if isinstance(meaning, Unread) else meaning)


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

    def is_readable(self, record, document):
        country = self._country_said(document, record.country_id)
        return bool(self._find_in(country, record.company_id, value_at(document, self.path)))

    def holds(self, record, value, now):
        if is_empty(value) or is_empty(now):
            return is_empty(value) and is_empty(now)
        return value.casefold() == now.casefold() or record[self.field].id in self._find(record, value)

    def done(self, record, base, ours, theirs, found):
        if states := self._find(record, theirs):
            return record[self.field].id in states
        if self.holds(record, theirs, ours):
            return True
        # Mere text replaces what the source said before, and never what people have entered in Odoo.
        return not is_empty(theirs) and not self.untouched(record, base, ours, theirs)

    def remark(self, source, item, value):
        # Whether the state is known depends on the country of the record: see :meth:`prepare_all`.
        is_prepared = not item.paths.isdisjoint((self.path, self.country))
        return item.remarks.get(self.path) if is_prepared else item.last_remark(self.path)

    def prepare(self, model, source, items):
        """Nothing yet: see :meth:`prepare_all`."""

    def prepare_all(self, model, source, items) -> None:
        """Find the states of ``items`` of which the state or its country changes.

        Where the country changes alone, the state is another one of the same name, or mere text.
        """
        changed = [item for item in items if not item.paths.isdisjoint((self.path, self.country))]
        if not changed:
            return
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
            country = record.country_id.browse(item.values.get("country_id", record.country_id.id) or None)
            country = self._country_said(item.decision.document, country)
            state_id = self._find_in(country, source.company_id, word)
            if word and not state_id:
                item.remarks[self.path] = Remark(
                    model.env._(
                        "%(pointer)s %(word)s is not a state that Odoo knows in this country. It was kept as text. "
                        "Send its name or its code, and the country.",
                        pointer=pointer(*self.path.split(".")),
                        word=quote(word),
                    ),
                    is_unread=True,
                )
            item.values.update({self.field: state_id, self.text: False if state_id else word or False})

    def _country_said(self, document, country):
        """:return: ``country``, that of the record; None if ``document`` names one that Odoo does not know"""
        word = value_at(document, self.country)
        return country if is_empty(word) or country.env["res.country"]._school_find(word) else None

    def _find_in(self, country, company, word) -> int | bool:
        """Return the state of ``country`` that ``word`` names; of the country of ``company`` where there is none."""
        if country is None or is_empty(word):
            return False
        key = (country.id or company.country_id.id, word.casefold())
        return company.env["res.country.state"]._school_ids_by_word().get(key, False)

    def _find(self, model, word) -> set[int]:
        """The states of any country that ``word`` may name."""
        if is_empty(word):
            return set()
        word = word.casefold()
        ids = model.env["res.country.state"]._school_ids_by_word()
        return {state_id for (_country_id, known), state_id in ids.items() if known == word}

    def _read_one(self, record):
        return record[self.field].name or record[self.text] or None


class TaxNumber(OfContact):
    """A tax number, which is kept as it is given, and written as Odoo writes those of the country."""

    def meaning(self, model, value):
        return None if is_empty(value) else "".join(filter(str.isalnum, value)).upper()

    def holds(self, record, value, now):
        if super().holds(record, value, now):
            return True
        # With or without the prefix of its country, and the like.
        return not is_empty(value) and self.same(record, self._check(record.country_id, value, validation=False), now)

    def remark(self, source, item, value):
        word = value_at(item.decision.document, "address.country")
        country = source.env["res.country"].browse((word and source.env["res.country"]._school_find(word)) or None)
        if self._check(country, value, validation="setnull"):
            return None
        return Remark(
            source.env._(
                "%(pointer)s %(value)s is not a valid tax number in %(country)s. It was kept as it is.",
                pointer=pointer(*self.path.split(".")),
                value=quote(value),
                country=country.name,
            )
        )

    def to_value(self, model, value):
        return value or False

    def _check(self, country, value, validation) -> str:
        contacts = country.env["res.partner"].with_context(no_vat_validation=False)
        return contacts._run_vat_checks(country, value, validation=validation)[0]


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
