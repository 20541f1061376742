"""Print, as JSON, the tree of the benchmark: every branch of a morphology as one cylinder.

python cylinders.py [FILE.swc]      without a file: Cajax's built-in pyramidal cell
"""

import json
import math
import sys

import cajax as cx

morph = cx.read_morphology(sys.argv[1]) if sys.argv[1:] else cx.pyramidal(0)
radius = morph.areas / (2 * math.pi * morph.lengths)
print(
    json.dumps({"length": morph.lengths.tolist(), "radius": radius.tolist(), "parent": morph.parent.tolist()})
)
