"""What watches over an installation from the outside: metrics and health over HTTP."""
