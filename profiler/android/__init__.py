"""Real phones, over adb."""
