from exported_nets import exported  # noqa: F401
from fitted_fixtures import built, data, source  # noqa: F401
from planted_fixtures import curable, images, outlier, samples  # noqa: F401
