from odoo import api, models

#: The context key under which the audit trail of a batch is written at once.
AUDIT = "school_sync_audit"


class SchoolAuditMixin(models.AbstractModel):
    """Leaves the messages and tracked values of Odoo's own form on what many documents make or change at once.

    Odoo writes them record by record. It works under the context key :data:`AUDIT`, and notifies nobody.
    """

    _name = "school.audit.mixin"
    _description = "Record with an Audit Trail"

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.context.get(AUDIT) or self.env.context.get("mail_create_nolog"):
            return super().create(vals_list)
        quiet = self.with_context(mail_create_nolog=True, mail_notrack=True)
        records = super(SchoolAuditMixin, quiet).create(vals_list).with_env(self.env)
        records._message_log_batch(bodies={record.id: record._creation_message() for record in records})
        return records

    def _message_track(self, fields_iter, initial_values_dict):
        if not self.env.context.get(AUDIT):
            return super()._message_track(fields_iter, initial_values_dict)
        described = self.fields_get(fields_iter, attributes=("string", "type", "selection", "currency_field"))
        tracking, values_by_record = {}, {}
        for record in self.exists():
            initial = initial_values_dict[record.id]
            changes, commands = tracking[record.id] = record._mail_track(described, initial)
            if changes:
                # For what else it does: of the entry of a payment, it tracks the state of the payment.
                record._track_subtype({name: initial[name] for name in changes})
            if commands:
                values_by_record[record.id] = [values for _create, _id, values in commands]
        messages = self.browse(values_by_record)._message_log_batch(bodies={})
        self.env["mail.tracking.value"].sudo().create(
            [
                {**values, "mail_message_id": message.id}
                for message in messages
                for values in values_by_record[message.res_id]
            ]
        )
        return tracking
