"""What people enter, in schema app: read and changed as role app, by the pipeline's own modules."""
