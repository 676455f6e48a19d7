"""The functions that a program calls, one page each: load, export_model, quantize, verify, evaluate, train."""
