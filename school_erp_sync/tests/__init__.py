from hypothesis import HealthCheck, settings

settings.register_profile("school", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("school")

from . import (  # noqa: E402  the settings come before the tests that they are for
    test_academics,
    test_accountant,
    test_allot,
    test_audit_trail,
    test_batch,
    test_billing,
    test_billing_credit,
    test_billing_payments,
    test_conflicts,
    test_contact_merge,
    test_contract,
    test_employees,
    test_engine,
    test_fee_schedule,
    test_idempotency_key,
    test_incidents,
    test_invoiced,
    test_lifecycle,
    test_merge,
    test_models,
    test_money_dates,
    test_names,
    test_not_tried,
    test_parking,
    test_payments,
    test_people,
    test_plan,
    test_problem,
    test_source,
    test_status,
    test_texts,
    test_words,
)
