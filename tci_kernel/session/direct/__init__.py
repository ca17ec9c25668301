"""The direct way: a cell's code is the request, its outputs are the answer."""
