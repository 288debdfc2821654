"""What every command shares: options made from the settings, errors as one sentence, and progress."""
