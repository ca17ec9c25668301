"""The words that everybody uses. Imports nothing else of the package."""
