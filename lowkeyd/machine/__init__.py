"""The machine as the daemon finds it: file systems, memory, GPUs, clock, the service manager."""
