from tests.compat.conftest import make_service, service

__all__ = ["make_service", "service"]
