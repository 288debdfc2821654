"""The review store: events that are never changed or deleted, chained by hash, in a database."""
