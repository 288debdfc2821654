"""One module a command, each with ``main(words)``; heavy libraries are imported inside."""
