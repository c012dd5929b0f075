"""An ONNX graph reduced to what runs, and what runs as one described as a layer; :mod:`parsers.network` is the way in."""
