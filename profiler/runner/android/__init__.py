"""What an NDK would bring to build the runner for Android: headers, and the first instructions."""
