"""The parts of a billing that its invoice holds: what they mean, and what of them is an accountant's work."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from odoo import fields

from ..contract.billing import LEAST, MOST
from ..contract.money import to_decimal, to_json
from ..sync.merge import is_empty
from ..sync.money import Amount, amount_to_json
from ..sync.parts import Part, Reference

LINE_AMOUNT = ("quantity", "price_unit", "discount")
#: What becomes of the invoice, for each status that a source may send.
_OUTCOMES = {"draft": "draft", "sent": "posted", "overdue": "posted", "partial": "posted", "paid": "paid"}
_STATES = {"posted": ("sent", "partial", "paid"), "paid": ("paid",), "draft": ("draft",), "cancelled": ("cancelled",)}


class Payer(Reference):
    """Who is billed. A guardian who is named, and whom the posted invoice is addressed to anyway, changes nothing."""

    def untouched(self, record, base, ours, theirs):
        if base or ours:
            return super().untouched(record, base, ours, theirs)
        # Somebody may have billed an employer, or another customer who is nobody's guardian.
        customer = record.move_id.partner_id
        guardians = customer.with_context(active_test=False).school_parent_ids
        return not customer or customer == record.student_id.partner_id or bool(guardians)

    def done(self, record, base, ours, theirs, found):
        if record.move_id.state == "posted":
            payer = record.payer_id.browse(found.get((self.entity, theirs), False))
            customer = payer.partner_id if payer else record._get_default_customer()
            if customer == record.move_id.partner_id:
                return True
        return super().done(record, base, ours, theirs, found)


class DueDate(Part):
    """When the invoice is due. Where the source does not say it, Odoo does; not to say it any more changes nothing."""

    def untouched(self, record, base, ours, theirs):
        move = record.move_id
        if base or not move:
            return super().untouched(record, base, ours, theirs)
        term = move.invoice_payment_term_id
        if term or record._get_payment_term():
            return term == record._get_payment_term()
        made = fields.Date.context_today(move, move.create_date)
        return move.invoice_date_due in (made, move.invoice_date)

    def done(self, record, base, ours, theirs, found):
        return is_empty(theirs) or super().done(record, base, ours, theirs, found)


class BillingStatus(Part):
    """What the invoice is to become. What accountants did to it since is theirs: this part is never in conflict."""

    merged = True

    def meaning(self, model, value):
        return _OUTCOMES.get(value, value)

    def holds(self, record, value, now):
        return value == now

    def done(self, record, base, ours, theirs, found):
        # A source that takes back that it is paid is told that Odoo does not.
        return base != "paid" and record.state in _STATES[self.meaning(record, theirs)]

    def prepare(self, model, source, items):
        """Nothing: the model makes of the invoice what it says."""

    def _read_one(self, record):
        return "overdue" if record.is_overdue and record.state == "sent" else record.state


class Total(Amount):
    """What the lines add up to, taxes included. It is checked, and never stored."""

    def untouched(self, record, base, ours, theirs):
        # Odoo counts it from the lines, which are compared themselves; of an invoice that was deleted nothing is left.
        return base is None or not record.move_id or super().untouched(record, base, ours, theirs)

    def done(self, record, base, ours, theirs, found):
        return theirs is None or bool(record.move_id) and super().done(record, base, ours, theirs, found)

    def prepare(self, model, source, items):
        """Nothing: it is checked once the invoice is there."""


class Payments(Part):
    """The money that was received, by the externalId of each payment. It is registered once, and then Odoo's."""

    merged = True

    def meaning(self, model, value):
        return {
            payment["externalId"]: (
                payment["date"],
                to_decimal(payment["amount"]),
                payment.get("method") or None,
                payment.get("reference") or None,
            )
            for payment in value or ()
        } or None

    def holds(self, record, value, now):
        return {payment["externalId"] for payment in value or ()} == {payment["externalId"] for payment in now or ()}

    def done(self, record, base, ours, theirs, found):
        registered = self.meaning(record, ours) or {}
        return all(
            key in registered and registered[key][:2] == payment[:2]
            for key, payment in (self.meaning(record, theirs) or {}).items()
        )

    def prepare(self, model, source, items):
        """Nothing: the model registers what is new."""

    def _read_one(self, record):
        # sudo: whether a payment stands in the books is part of the billing; who reads it need not see payments.
        payments = record.sudo().payment_ids.filtered("external_id")
        return [
            {
                "externalId": payment.external_id,
                "date": payment.date.isoformat(),
                "amount": amount_to_json(record.currency_id, payment.amount),
                **{name: payment[name] for name in ("method", "reference") if payment[name]},
            }
            for payment in payments._filter_live()
        ] + record.allocation_ids._to_json_of_billing()


class Credits(Part):
    """What was credited, by the externalId of each credit. A credit note is made of it once, and then is Odoo's."""

    merged = True

    def meaning(self, model, value):
        lines = Lines()
        return {
            credit["externalId"]: (credit["date"], credit.get("reason") or None, lines.meaning(model, credit["lines"]))
            for credit in value or ()
        } or None

    def holds(self, record, value, now):
        return {credit["externalId"] for credit in value or ()} == {credit["externalId"] for credit in now or ()}

    def done(self, record, base, ours, theirs, found):
        said, held = self.meaning(record, base) or {}, {credit["externalId"] for credit in ours or ()}
        return all(
            name in held and said.get(name, credit) == credit
            for name, credit in (self.meaning(record, theirs) or {}).items()
        )

    def prepare(self, model, source, items):
        """Nothing: the model makes what is new."""

    def _read_one(self, record):
        # sudo: what was credited is part of the billing; who reads it need not see invoices.
        return [
            {
                "externalId": note.school_credit,
                "date": note.invoice_date.isoformat(),
                "lines": [
                    line_to_json(note.currency_id, line)
                    for line in note.invoice_line_ids
                    if line.display_type == "product"
                ],
                "total": amount_to_json(note.currency_id, note.amount_total),
            }
            for note in record.sudo()._get_credit_notes().sorted("id")
        ]


class Lines(Part):
    """The lines of the invoice: codes, texts, amounts and taxes, in no order.

    However an amount is made up (a quantity and a price, a discount), it means what it comes to. Taxes that are not
    sent are those of the fee head.
    """

    def meaning(self, model, value):
        lines = [
            (
                line["code"] or "",
                line.get("label") or line["code"] or "",
                amount_of(line),
                sorted(name.casefold() for name in taxes) if (taxes := line.get("taxes")) is not None else None,
            )
            for line in value or ()
        ]
        return sorted(lines, key=repr) or None

    def holds(self, record, value, now):
        if is_empty(value) or is_empty(now):
            return is_empty(value) and is_empty(now)
        held = _in_order(now)
        return self._amounts(record, value) == self._amounts(record, now) and all(
            self._says(line, held[key]) for key, line in self._prepared(record, value).items()
        )

    def untouched(self, record, base, ours, theirs):
        if not record.move_id:
            # Of an invoice that was deleted nothing is left to be kept.
            return True
        if not (base and ours and theirs):
            return super().untouched(record, base, ours, theirs)
        before, held, after = self._prepared(record, base), _in_order(ours), self._prepared(record, theirs)
        # What the source does not change may be somebody's work, and stays.
        return self._amounts(record, base) == self._amounts(record, ours) and all(
            self._says(
                {**line, **dict.fromkeys(name for name in ("label", "taxes") if line[name] == after[key][name])},
                held[key],
            )
            for key, line in before.items()
            if key in after
        )

    def done(self, record, base, ours, theirs, found):
        if not record.move_id or not super().done(record, base, ours, theirs, found):
            return False
        # Taxes that are no longer sent are those of the fee head again.
        before = self._prepared(record, base or ())
        return not any(
            line["taxes"] is None and key in before and before[key]["taxes"] is not None
            for key, line in self._prepared(record, theirs or ()).items()
        )

    def spell_out(self, value):
        return [{"taxes": [], **line} for line in value or ()]

    def prepare(self, model, source, items):
        """Nothing: the model makes the lines of the invoice from it."""

    def _read_one(self, record):
        return [
            line_to_json(record.currency_id, line, record.move_id._school_sign())
            for line in record.move_id.invoice_line_ids
            if line.display_type == "product"
        ]

    def _amounts(self, record, lines: Iterable[dict]) -> Counter:
        """What ``lines`` come to, by code: in whatever order, and however it is made up."""
        return Counter((line["code"], record.currency_id.round(float(amount_of(line)))) for line in lines)

    def _prepared(self, record, lines: list[dict]) -> dict[tuple, dict]:
        ordered = sorted(lines, key=amount_of)
        return by_code((line["code"], line) for line in record._sync_prepare_lines({"lines": ordered}))

    def _says(self, line: dict, held: dict) -> bool:
        """Whether a line of an invoice, as JSON, has the text and the taxes of ``line``, as far as that has them."""
        return line["label"] in (None, held["label"] or "") and (
            line["taxes"] is None
            or {name.casefold() for name in line["taxes"]} == {name.casefold() for name in held.get("taxes", ())}
        )


def quantity_of(line: dict) -> Decimal:
    """How many a line of a document is about: one, where it does not say."""
    quantity = line.get("quantity")
    return to_decimal(1 if quantity is None else quantity)


def amount_of(line: dict) -> Decimal:
    """What a line of a document comes to, before taxes."""
    amount = line.get("amount")
    if amount is not None:
        return to_decimal(amount)
    return quantity_of(line) * to_decimal(line["unitPrice"]) * (100 - to_decimal(line.get("discount") or 0)) / 100


def code_of(line) -> str | None:
    """The code under which a line of an invoice is billed: that of its row of the table, else of its product."""
    # sudo: the code is the source's own word, which those who read billings may see without seeing invoices' fields.
    return line.school_fee_head_id and line.sudo().school_fee_head or line.product_id.default_code or None


def line_to_json(currency, line, sign: int = 1) -> dict:
    """A line of an invoice as a document says it.

    :param sign: -1 where the line of a credit note is said as one of a billing
    """
    quantity, price, discount = (to_decimal(line[name]) for name in LINE_AMOUNT)
    quantity *= sign
    if not LEAST <= quantity <= MOST:
        # People may type how many no document can say.
        quantity, price = to_decimal(1), quantity * price
    return {
        "code": code_of(line),
        "label": line.name,
        "quantity": to_json(quantity),
        "unitPrice": to_json(price),
        # As it is sent: of prices that include a tax, with it.
        "amount": amount_to_json(currency, float(quantity * price * (100 - discount) / 100)),
        **({"discount": to_json(discount)} if discount else {}),
        **({"taxes": line.tax_ids.mapped("name")} if line.tax_ids else {}),
    }


def by_code(lines: Iterable[tuple[str | None, Any]]) -> dict[tuple[str | None, int], Any]:
    """Lines by their code, and their place among those of the same code."""
    places, result = Counter(), {}
    for code, line in lines:
        result[code, places[code]] = line
        places[code] += 1
    return result


def _in_order(lines: list[dict]) -> dict[tuple, dict]:
    return by_code((line["code"], line) for line in sorted(lines, key=amount_of))
