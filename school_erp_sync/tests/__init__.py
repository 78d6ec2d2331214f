from . import (
    test_allot,
    test_billing,
    test_contract,
    test_engine,
    test_fee_schedule,
    test_merge,
    test_models,
    test_plan,
    test_source,
)
