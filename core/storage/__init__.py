"""Where things lie on disk: paths, files written whole, output that survives a kill, and who a process is."""
