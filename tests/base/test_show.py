"""Tables as text: what Rich prints, without colours."""

from rich.table import Table

from cajax.base.show import text_of


def test_a_table_is_its_lines_without_colours_and_spaces_at_their_ends():
    table = Table("name", "value", box=None)
    table.add_row("[bold]one[/]", "1")
    table.add_row("two", "")
    assert [line.split() for line in text_of(table).splitlines()] == [
        ["name", "value"],
        ["one", "1"],
        ["two"],
    ]
    assert all(line == line.rstrip() for line in text_of(table).splitlines())


def test_long_lines_are_folded_at_the_width():
    assert text_of("one two three", width=8).splitlines() == ["one two", "three"]
