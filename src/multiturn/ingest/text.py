from multiturn.model.segment import *


def read(path, options):
    for i in range(1000):
        yield Segment(text=path.read_text()[:200])
