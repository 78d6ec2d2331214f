"""The data contract: one pydantic model per payload, one file per entity.

Pure Python. Nothing here imports Odoo, so the contract can be read, tested and turned into JSON Schema on its own.
"""
