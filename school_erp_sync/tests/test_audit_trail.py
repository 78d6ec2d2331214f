from odoo.tests.common import tagged

from .common import FATHER, MOTHER
from .test_billing_payments import FATHER_ID, MOTHER_ID, MoneyCase


@tagged("post_install", "-at_install")
class TestAuditTrail(MoneyCase):
    """Each change of money leaves the messages and tracked values of Odoo's form, in batches as one by one."""

    def setUp(self):
        super().setUp()
        self.commit()

    def commit(self):
        """Write the messages that Odoo writes before a commit. :return: those since the last time"""
        self.env.flush_all()
        self.env.cr.precommit.run()
        self.env.flush_all()
        known = getattr(self, "known", self.env["mail.message"])
        self.known = self.env["mail.message"].search([])
        return self.known - known

    def send_and_log(self, *documents):
        """:return: by externalId of a billing, what the messages on its invoice say"""
        self.send_ok("billings", *documents)
        messages = self.commit()
        self.assertFalse(messages.notification_ids)
        result = {}
        for document in documents:
            move = self.billing(document["externalId"]).move_id
            on_move = messages.filtered(lambda one, move=move: (one.model, one.res_id) == ("account.move", move.id))
            values = on_move.sudo().tracking_value_ids._tracking_value_format()
            result[document["externalId"]] = (
                on_move.filtered("preview").mapped("preview"),
                {value["fieldInfo"]["changedField"]: (value["oldValue"], value["newValue"]) for value in values},
            )
        return result

    def test_draft_changed_posted_and_paid(self):
        self.company.sudo().restrictive_audit_trail = True
        for size in (1, 4):
            with self.subTest(size):
                names = [f"B{size}-{number}" for number in range(size)]
                lines = [{"code": "FEE", "amount": 110}]
                made = self.send_and_log(*(self.bill("draft", name) for name in names))
                self.assertEqual(set(map(str, made.values())), {str((["Invoice Created"], {}))})
                changed = self.send_and_log(*(self.bill("draft", name, lines=lines) for name in names))
                posted = self.send_and_log(*(self.bill("sent", name, lines=lines) for name in names))
                paid = self.send_and_log(*(self.bill("paid", name, lines=lines) for name in names))
                for name in names:
                    self.assertEqual(changed[name][1], {"Untaxed Amount": (100, 110)})
                    self.assertEqual(posted[name][1]["Status"], ("Draft", "Posted"))
                    self.assertEqual(posted[name][1]["Number"][1], self.billing(name).move_id.name)
                    self.assertIn("Payment Status", paid[name][1])
                payments = self.env["school.billing"].concat(*map(self.billing, names)).payment_ids.payment_id
                logged = self.known.filtered(lambda one: one.model == "account.payment")
                self.assertLessEqual(set(payments.ids), set(logged.mapped("res_id")))

    def test_invoice_that_was_reset_to_draft(self):
        self.send_ok("billings", self.bill("sent"))
        self.billing().move_id.button_draft()
        self.commit()
        texts, _values = self.send_and_log(self.bill("sent", lines=[{"code": "FEE", "amount": 120}]))["BIL-1"]
        self.assertTrue([text for text in texts if "Journal Item" in text], texts)

    def test_draft_that_follows_who_pays(self):
        self.send_ok("billings", self.bill("draft"))
        self.commit()
        self.send_ok("students", self.child(MOTHER_ID))
        values = self.commit().sudo().tracking_value_ids
        partner = values.filtered(lambda value: value.field_id.name == "partner_id")
        self.assertEqual((partner.old_value_char, partner.new_value_char), (FATHER["name"], MOTHER["name"]))

    def test_people_leave_no_messages(self):
        self.send_ok("parents", {**FATHER, "phone": "+91 9876500000", "name": "Ramesh K. Sharma"})
        self.send_ok("students", self.child(FATHER_ID, MOTHER_ID))
        self.assertFalse(self.commit())
