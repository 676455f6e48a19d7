from fitted_fixtures import built, data, source  # noqa: F401
