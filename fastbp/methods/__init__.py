"""What a `Network` can do beyond training and predicting: one file a topic, each a class that `Network` inherits from."""
