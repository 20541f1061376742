import jax
import jax.numpy as jnp
import pytest

from cajax.base.distributions import each
from cajax.base.errors import ParameterError
from cajax.train import Free, bounded, positive, unbounded

FREE = Free(
    {"*.na.g": each("branch", bounded(0.0, 1.0)), "dend[1].cm": positive(), "dend.leak.e": unbounded()}
)


def test_the_table_prints_path_unit_count_value_and_bounds(model):
    text = str(FREE.table(model))
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["dend[1].cm"].split() == ["dend[1].cm", "uF/cm2", "1", "1", ">", "0"]
    assert lines["dend.leak.e"].split() == ["dend.leak.e", "mV", "1", "-65", "free"]
    assert "0.12 … 0.12 … 0.12" in lines["soma.na.g"]
    assert "0 … 1" in lines["soma.na.g"]
    assert "change" not in text
    assert lines["in"].split() == ["in", "all", str(FREE.count(model))]


def test_a_reference_adds_the_change(model):
    theta = FREE.init(model)
    theta["dend[1].cm"] += jnp.log(1.5)
    theta["dend.leak.e"] += 6.5
    table = FREE.table(FREE.apply(model, theta), reference=model)
    changes = {row.path: row.change for row in table.rows}
    assert changes["dend[1].cm"] == "+50.0 %"
    assert changes["dend.leak.e"] == "+10.0 %"
    assert changes["soma.na.g"].count("…") == 2
    assert "change" in str(table)


def test_a_change_from_zero_is_a_difference(model):
    free = Free({"*weight": unbounded()})
    before = model.replace({"in->out.graded.weight": jnp.zeros(4)})
    (row,) = free.table(model, before).rows
    assert row.change == "+0.1 … +0.25 … +0.4"


def test_a_reference_of_another_shape_is_refused(model):
    other = jax.tree.map(lambda x: x[:3] if x.ndim else x, model)
    with pytest.raises(ParameterError, match=r"4 values and the reference has 3"):
        Free({"*weight": unbounded()}).table(model, other)
