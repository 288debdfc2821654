"""What *Round* shows: settings, agreement, acceptance, the second round and exports."""
