"""What Android and Linux say of the memory of a process and of the whole machine."""
