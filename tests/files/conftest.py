from image_files import _png_bytes, _smooth_picture, _write_dataset, picture  # noqa: F401
