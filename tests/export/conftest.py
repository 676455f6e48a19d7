from exported_nets import exported  # noqa: F401
from fitted_fixtures import built, data, source  # noqa: F401
from lone_logits import lone, lone_int8  # noqa: F401
