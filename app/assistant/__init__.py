"""The assistant: tools over the pages' own queries, the models that call them, what checks them."""
