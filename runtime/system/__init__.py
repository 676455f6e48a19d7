"""What the operating system gives: processes, locks, memory, a cache, the processor."""
