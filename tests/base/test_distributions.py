import numpy as np
import pytest

import cajax as cx
from cajax.base.distributions import SCOPES, Along, Each

from ..helpers import raises


@pytest.mark.parametrize("place", SCOPES)
def test_each_keeps_place_and_value(place):
    assert cx.each(place, 3.0) == Each(place, 3.0)


def test_along_keeps_coefficients_by_name():
    fn = np.polyval
    graded = cx.along(cx.path_distance(), fn, a=1.0, fn=2.0, measure=3.0)
    assert isinstance(graded, Along) and graded.fn is fn
    assert graded.coefficients == {"a": 1.0, "fn": 2.0, "measure": 3.0}


def test_mistakes():
    raises(lambda: cx.each("cvs", 1.0), "'cvs'", "'cv'")
    raises(lambda: cx.each("cv", cx.each("branch", 1.0)), "cannot hold another")
    raises(lambda: cx.each("cv", cx.along(cx.radius(), abs)), "cannot hold another")
    raises(lambda: cx.along(cx.path_distance(), 3.0), "not a function", "lambda")
