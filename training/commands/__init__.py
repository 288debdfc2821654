"""One module a command, each with ``main(argv)``; heavy libraries are imported inside."""
