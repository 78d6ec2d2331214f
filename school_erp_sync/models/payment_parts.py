"""The parts of a payment: what they mean, and what of them is an accountant's work."""

from ..contract.money import to_decimal
from ..contract.text import quote
from ..sync.money import amount_to_json
from ..sync.parts import Part, Reference

RECEIVED = "received"


class PaidBy(Reference):
    """Who paid. A guardian who is named, and for whom the payment is booked anyway, changes nothing."""

    def done(self, record, base, ours, theirs, found):
        payer = record.payer_id.browse(found.get((self.entity, theirs), False))
        if (
            record.payment_id
            and payer
            and payer.commercial_partner_id == record.payment_id.partner_id.commercial_partner_id
        ):
            return True
        return super().done(record, base, ours, theirs, found)


class PaymentStatus(Part):
    """Whether the money was received. What accountants did to the payment is theirs: never in conflict."""

    merged = True

    def meaning(self, model, value):
        return value or RECEIVED

    def done(self, record, base, ours, theirs, found):
        return self.same(record, base, theirs) or record.state == self.meaning(record, theirs)

    def prepare(self, model, source, items):
        """Nothing: the model makes of the payment what it says."""

    def _read_one(self, record):
        return record.state


class JournalOf(Part):
    """A bank or cash journal, by its short code or its name."""

    def holds(self, record, value, now):
        journal = record[self.field]
        return (value or "").casefold() in {(word or "").casefold() for word in (journal.code, journal.name)}

    def done(self, record, base, ours, theirs, found):
        # Where none is named, the money is wherever Odoo has it.
        return not theirs or super().done(record, base, ours, theirs, found)

    def prepare(self, model, source, items):
        journals = model.env["account.journal"]
        domain = [*journals._check_company_domain(source.company_id), ("type", "in", ("bank", "cash"))]
        found = journals.search(domain, order="sequence desc, id desc")
        # A code goes before a name.
        by_word = {word.casefold(): one for name in ("name", "code") for one in found if (word := one[name])}
        for item in items:
            word = item.decision.document.get(self.path)
            journal = by_word.get(word.casefold()) if word else journals
            if journal is None:
                item.fail(
                    f"/{self.path}",
                    "unknown_journal",
                    model.env._(
                        "%(journal)s is not a bank or cash journal of %(company)s. Send a short code or a name from "
                        "Invoicing > Configuration > Journals.",
                        journal=quote(word),
                        company=source.company_id.name,
                    ),
                )
            elif journal:
                item.values[self.field] = journal.id

    def _read_one(self, record):
        return record[self.field].code or None


class Allocations(Part):
    """What of the payment is for which billing, in no order. What accountants have reconciled otherwise is theirs."""

    merged = True

    def meaning(self, model, value):
        return {one["billingExternalId"]: to_decimal(one["amount"]) for one in value or ()} or None

    def done(self, record, base, ours, theirs, found):
        return self.same(record, ours, theirs)

    def prepare(self, model, source, items):
        """Nothing: the model reconciles what is new."""

    def read_from(self, records, source):
        held = {record: record._get_allocated() for record in records}
        billings = records.env["school.billing"].concat(*(billing for one in held.values() for billing in one))
        names = source._external_ids("billings", billings.ids)
        return [
            [
                {"billingExternalId": names[billing.id], "amount": amount_to_json(record.currency_id, amount)}
                for billing, amount in held[record].items()
                if billing.id in names
            ]
            for record in records
        ]
