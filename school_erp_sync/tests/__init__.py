from . import test_contract, test_engine, test_merge, test_models, test_plan, test_source
