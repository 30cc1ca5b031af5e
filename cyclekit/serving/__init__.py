"""A service that translates what is sent to it: workers, HTTP, a page."""
