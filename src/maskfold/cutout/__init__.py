"""An object without what was behind it: its edge, its colours, and the picture that is made of both."""
