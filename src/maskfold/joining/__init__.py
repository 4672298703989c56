"""From a competition's files to its configuration: what they say, how sure that is, and what has to be asked."""
