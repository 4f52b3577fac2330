"""FlatBuffers in pure Python: what the codec `flatbuffers` is made of.

| to write | to read | both |
|---|---|---|
| `writer` finds a struct's shape | `readers` compiles and keeps readers | `layout` rows of the schema |
| `shapes`, `shapelines` write one, `forms` lays it out | `templates`, `assemble` their source | `source` compiles |
| `parts`, `boxes`, `embeddings` | `tables` what is legal, `walk` what is left of the limits | |
| | `values`; `view`, `viewshapes` lazily | |
"""
