"""Android's log in every form that a phone, ``adb`` or Android Studio writes it, into records."""
