"""`make audit`: licences, bill of materials, known vulnerabilities, secrets in the tree."""
