"""The dialect of TwelveLabs' Jockey: what its clients and its pages send, answered from knowledge stores of our own."""
