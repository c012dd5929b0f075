"""What a phone or a machine says of itself, from the bytes of its own files to the context of its rows."""
