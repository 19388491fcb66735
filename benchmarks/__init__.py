"""Claims about speed and memory, each with a script that tries it on this machine."""
