"""Print, as JSON, a tree for the benchmarks: every branch of a morphology as one cylinder of its length and area.

python cylinders.py FILE.swc | pyramidal SEED TIPS STEMS
"""

import json
import math
import sys

import cajax as cx

kind, *numbers = sys.argv[1:]
if kind == "pyramidal":
    seed, tips, stems = map(int, numbers)
    morph = cx.pyramidal(seed, tips=tips, stems=stems)
else:
    morph = cx.read_morphology(kind)
radius = morph.areas / (2 * math.pi * morph.lengths)
tree = {"length": morph.lengths.tolist(), "radius": radius.tolist(), "parent": morph.parent.tolist()}
print(json.dumps(tree))
