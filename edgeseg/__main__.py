import sys

from edgeseg.runtime.system.child_python import leave_working_directory

leave_working_directory()

from edgeseg.cli import main  # noqa: E402

sys.exit(main())
