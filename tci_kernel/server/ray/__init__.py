"""Sessions on the nodes of a Ray cluster, as actors. Nothing else imports Ray."""
