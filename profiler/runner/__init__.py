"""The C runner that works on the device, and how it is built for the host."""
