"""The files of sessions as a filesystem of fsspec, under URLs such as `tci://ses_…/data.csv`.

- `spec` is the filesystem, and `file` a file that is open.
- `sessions` joins the sessions that the URLs name; `paths` takes these apart.
- `errors` makes of our errors those that users of files expect.
"""
