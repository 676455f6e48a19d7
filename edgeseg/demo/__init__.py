"""Cells under a microscope, rendered: pictures with exact masks for the demonstration and the tests."""
