"""The health of boards: good, bad, maintenance or unknown; apart from what they do right now."""
