"""From a bare network to the graph that is deployed."""
