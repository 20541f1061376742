import inspect

import pytest

from cajax.base import errors as _errors
from cajax.base.errors import CajaxError, UnknownNameError, unknown

CLASSES = [x for x in vars(_errors).values() if inspect.isclass(x)]
KINDS = [x for x in CLASSES if issubclass(x, Exception) and not issubclass(x, Warning)]


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_family(kind):
    assert issubclass(kind, CajaxError) and kind.__doc__


def test_nearest_names_come_first():
    error = unknown("region", "apicl", ["soma", "apical", "basal", "axon"])
    assert isinstance(error, UnknownNameError)
    assert str(error).startswith("no region 'apicl'; did you mean 'apical'")


def test_without_a_near_name_all_are_listed_but_not_too_many():
    assert "'x1', 'x2'" in str(unknown("place", "zzz", ["x2", "x1"]))
    assert str(unknown("place", "zzz", map(str, range(99)))).count("'") <= 2 * 9


def test_without_any_name_it_says_so():
    assert (
        str(unknown("projection", "a->b", [], where="net")) == "no projection 'a->b' in net; there are none"
    )
