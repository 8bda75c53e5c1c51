"""The networks that listen, what they are fed, and how they are kept on disk."""
