from collections import defaultdict

from odoo import api, models

#: The context key under which records that are created together are prepared and checked together.
BATCH = "school_sync_batch"
# For fewer, finding out what they have in common takes longer than it saves.
_FEWEST = 3


class SchoolBatchMixin(models.AbstractModel):
    """Does once for alike records what Odoo does for each of the thousand that one request brings.

    Defaults, precomputed fields and the check of companies are Odoo's own, overrides of other addons included; only
    where their outcome is bound to be the same are they not asked again. It works under the context key :data:`BATCH`.
    """

    _name = "school.batch.mixin"
    _description = "Records Made in Batches"

    @api.model
    def _for_batch(self, size: int):
        """This model, to create ``size`` records with at once."""
        return self.with_context(**{BATCH: True}) if size >= _FEWEST else self

    @api.model
    def _add_missing_default_values(self, values):
        if not self.env.context.get(BATCH):
            return super()._add_missing_default_values(values)
        known = self.env.cr.cache.setdefault(BATCH, {})
        shape = self.env, self._name, frozenset(values)
        if shape not in known:
            defaults = [super(SchoolBatchMixin, self)._add_missing_default_values(values) for _time in range(2)]
            # What differs between two times, such as an access token, is asked for each record.
            own = [name for name, value in defaults[0].items() if value != defaults[1][name]]
            shared = {name: defaults[0][name] for name in defaults[0].keys() - values.keys() - set(own)}
            known[shape] = shared, own, [field for field in self._fields.values() if field.type == "properties"]
        shared, own, properties = known[shape]
        if own:
            values = {**self.default_get(own), **values}
        values = {**shared, **values}
        for field in properties:
            values[field.name] = field._add_default_values(self.env, values)
        return values

    def _add_precomputed_values(self, vals_list):
        if not self.env.context.get(BATCH):
            return super()._add_precomputed_values(vals_list)
        by_sources = defaultdict(list)
        for name, field in self._fields.items():
            if field.precompute:
                by_sources[self._precompute_sources(name)].append(name)
        for sources, names in by_sources.items():
            alike = defaultdict(list)
            for vals in vals_list:
                missing = tuple(name for name in names if name not in vals)
                if missing:
                    alike[missing, tuple(repr(vals.get(name)) for name in sources)].append(vals)
            firsts = [first for first, *_others in alike.values()]
            before = [first.pop("__precomputed__", set()) for first in firsts]
            super()._add_precomputed_values(firsts)
            for first, done in zip(firsts, before, strict=True):
                first["__precomputed__"] |= done
            for (missing, _values), (first, *others) in alike.items():
                for vals in others:
                    vals.update((name, first[name]) for name in missing)
                    vals.setdefault("__precomputed__", set()).update(self._fields[name] for name in missing)
        return None

    @api.model
    def _precompute_sources(self, name: str) -> tuple[str, ...]:
        """The fields of this model that the precomputed field ``name`` depends on, at whatever remove."""
        sources, queue = set(), [name]
        while queue:
            for path in self.pool.field_depends.get(self._fields[queue.pop()], ()):
                source = path.partition(".")[0]
                if source not in sources:
                    sources.add(source)
                    queue.append(source)
        return tuple(sorted(sources))

    def _check_company(self, fnames=None):
        if not self.env.context.get(BATCH) or not self._is_of_one_company(fnames):
            return super()._check_company(fnames)
        return None

    def _is_of_one_company(self, fnames) -> bool:
        """Whether what these records link to passes Odoo's check: asked of all that is linked to, not link by link."""
        if "company_id" not in self._fields:
            return False
        checked = [
            field
            for name in (self._fields if fnames is None or "company_id" in fnames else fnames)
            if (field := self._fields[name]).relational and field.check_company
        ]
        # sudo: as in Odoo's own check, which looks at links that the user may not see.
        for company, records in self.sudo().with_context(active_test=False).grouped("company_id").items():
            for field in checked:
                linked = records[field.name]
                domain = linked._check_company_domain(self.env.company if field.company_dependent else company)
                if domain and linked.filtered_domain(domain) != linked:
                    return False
        return True
