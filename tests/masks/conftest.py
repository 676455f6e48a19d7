from image_files import _write_dataset  # noqa: F401
