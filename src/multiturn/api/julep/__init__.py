"""The dialect of Julep's sessions: what its Python client sends, and what its documentation promises."""
