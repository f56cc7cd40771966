from tests.plugins.dsp_schemas import dsp_schemas

__all__ = ["dsp_schemas"]
