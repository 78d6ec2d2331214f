"""The charts of accounts under which invoices are compared: their addon, their country, and customers of every kind."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Chart:
    """A chart of accounts.

    :param addon: what to install for it
    :param states: where customers live: the country, and the code of the state
    :param kinds: other fields of customers, as ``(field, value)``; a value with a dot is an external id
    :param always_taxed: whether the country wants a tax on each line
    """

    name: str
    addon: str
    country: str
    states: tuple[tuple[str, str | None], ...] = ()
    kinds: tuple[dict, ...] = ({},)
    always_taxed: bool = False
    company: tuple[tuple[str, str], ...] = ()


_AR_CONSUMER = {"l10n_ar_afip_responsibility_type_id": "l10n_ar.res_CF"}
_AR_COMPANY = {
    "l10n_ar_afip_responsibility_type_id": "l10n_ar.res_IVARI",
    "l10n_latam_identification_type_id": "l10n_ar.it_cuit",
    "vat": "30714295698",
}
_CL_CONSUMER = {
    "l10n_cl_sii_taxpayer_type": "3",
    "l10n_latam_identification_type_id": "l10n_cl.it_RUN",
    "vat": "11111111-1",
}
_CL_COMPANY = {
    "l10n_cl_sii_taxpayer_type": "1",
    "l10n_latam_identification_type_id": "l10n_latam_base.it_vat",
    "vat": "76086428-5",
}
_IN_ZONE = {"l10n_in_gst_treatment": "special_economic_zone", "vat": "29AAGFF2194N1ZZ"}

#: those that are compared each time; with an addon of the later ones, all invoices are made in Odoo's own way
FIRST = (
    Chart("generic_coa", "account", "US", (("US", "CA"), ("DE", None), ("IN", "KA"))),
    Chart(
        "in",
        "l10n_in",
        "IN",
        (("IN", "MH"), ("IN", "KA"), ("IN", None), ("US", "CA"), (None, None)),
        ({}, _IN_ZONE),
        company=(("vat", "27AAGFF2194N1Z1"), ("state", "MH")),
    ),
)
LAST = (Chart("ar_ri", "l10n_ar", "AR", (("AR", None),), (_AR_CONSUMER, _AR_COMPANY), always_taxed=True),)
#: those that are compared with ``--long``
MORE_FIRST = (
    Chart("fr", "l10n_fr_account", "FR", (("FR", None), ("DE", None), ("US", "CA"))),
    Chart("de_skr03", "l10n_de", "DE", (("DE", None), ("FR", None), ("US", "CA"))),
    Chart("mx", "l10n_mx", "MX", (("MX", None), ("US", "CA"))),
    Chart("it", "l10n_it", "IT", (("IT", None), ("FR", None))),
    Chart("es_pymes", "l10n_es", "ES", (("ES", None), ("FR", None))),
    Chart("be_comp", "l10n_be", "BE", (("BE", None), ("FR", None))),
    Chart("sa", "l10n_sa", "SA", (("SA", None), ("AE", None))),
)
MORE_LAST = (
    Chart("br", "l10n_br", "BR", (("BR", "SP"), ("BR", "RJ"))),
    Chart("cl", "l10n_cl", "CL", (("CL", None),), (_CL_CONSUMER, _CL_COMPANY), always_taxed=True),
)
