"""Code shared by all packages, independent of mesh, stores and pages.

- `errors`: the root of the error tree, and the kinds that map to gRPC status codes.
- `grpc_status`: errors as gRPC statuses with details, and back.
- `moments`: moments as int64 microseconds, and as text.
- `timestamps`: moments and lengths of time as protobuf messages.
- `screen_text`: text of data, as a screen may show it.
- `atomic_files`: files that are there whole or not at all.
- `arrays`: names for numpy arrays by the type of their elements.
- `columns`: number columns of batch messages (pagesim.columns.v1).
- `kernel`: how functions over arrays are compiled.
- `bits`: flags packed into words.
"""
