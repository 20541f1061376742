"""Mechanisms of NEURON as classes of ours, from the text that every compiled mechanism carries."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

from ...base.errors import CajaxError, ParameterError
from ...base.names import class_of
from ...mech import (
    HH,
    LIBRARY,
    Q10,
    Channel,
    EventSynapse,
    Exp2Syn,
    ExpSyn,
    Ion,
    Leak,
    Mechanism,
    Synapse,
    load_library,
)
from ..mod.read import class_of_source
from ..mod.source import text_source, visible
from ..mod.tables import chosen
from .channels import channel_mod
from .mod import Mod
from .pools import pool_mod
from .styles import Styles
from .synapses import synapse_mod

_WRITTEN = re.compile(r"^Written by Cajax from its class ([\w.:]{1,200}): ", re.MULTILINE)
_LIST = r"((?:\w+\s*,\s*)*\w+)"
_USE = re.compile(rf"\bUSEION\s+(\w+)(?:\s+READ\s+{_LIST})?(?:\s+WRITE\s+{_LIST})?")
_MOST = 1_000_000
"""Characters of a mechanism's text that are looked at."""

_PRESYNAPTIC = "is the voltage of the presynaptic cell"

Read = Callable[[Sequence[Any]], Any]
"""The values of a parameter: of segments, or of point processes; one number where they share it."""


@final
@dataclass(frozen=True)
class Known:
    """A mechanism `name` of NEURON that is our `template`; `values` says where ours are read there.

    The `species` whose concentrations an ion changes, as NEURON spells them; what a channel `reads` of ions; `warm`:
    whether its file was written for a model with a temperature; `approximated`: what of it is not exact.
    """

    name: str
    template: Mechanism
    values: Mapping[str, Read]
    species: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    warm: bool = True
    approximated: tuple[str, ...] = ()
    is_read: bool = False
    """Whether it was read as NMODL, which says itself what temperature does."""

    @property
    def q10(self) -> Q10 | None:
        """What temperature does to its rates; a file says that itself, whatever it calls q10."""
        return None if self.is_read else self.template.q10

    @property
    def is_cold(self) -> bool:
        """Whether its rates stay at the temperature at which they were measured, whatever `celsius` is."""
        return not self.warm and self.q10 is not None and self.q10.factor != 1.0

    @property
    def needs_celsius(self) -> bool:
        """Whether it depends on `celsius`."""
        warmed = self.warm and self.q10 is not None and self.q10.factor != 1.0
        return warmed or "celsius" in self.reads or isinstance(self.template, Ion) or self.is_read

    def parameters(self, carriers: Sequence[Any], shared: Callable[[Sequence[float]], Any]) -> dict[str, Any]:
        """Return the values of segments or point processes that are not the defaults; `shared` joins them."""
        found = {}
        for name, read in self.values.items():
            x = read(carriers)
            value = shared(x) if isinstance(x, list) else float(x)
            if not isinstance(value, float) or value != getattr(self.template, name):
                found[name] = value
        return found

    def made(self, carriers: Sequence[Any], shared: Callable[[Sequence[float]], Any]) -> Any:
        """Return the mechanism with the values of the carriers."""
        more = {"species": self.species[0].lower()} if isinstance(self.template, Ion) else {}
        return type(self.template)(**self.parameters(carriers, shared), **more)


def known(h: Any, name: str, sections: Sequence[Any], styles: Styles) -> Known:
    """Return what a density mechanism in these sections is here; raises `ParameterError` where it is nothing."""
    if name == "pas":
        return Known(name, Leak(), {"g": _of_density(name, "g"), "e": _of_density(name, "e")})
    if name == "hh" and not any(styles.computes(s, sec) for s in ("na", "k") for sec in sections):
        own = {"gna": "gnabar", "gk": "gkbar", "gl": "gl", "el": "el"}
        values = {k: _of_density(name, x) for k, x in own.items()}
        return Known(
            name,
            HH(),
            {**values, "ena": _of_segment("ena"), "ek": _of_segment("ek")},
            approximated=_tables(h, name),
        )
    found = _found(h, name, 0)
    if found is None:
        found = _by_text(h, name, 0, lambda var: _of_density(name, var), styles)
    if not isinstance(found.template, Channel | Ion):
        raise ParameterError(f"NEURON's mechanism '{name}' is read as a {_kind(found)}, which is not painted")
    return found


def known_point(h: Any, name: str, styles: Styles) -> Known:
    """Return what a point process is here; raises `ParameterError` where it is nothing."""
    if name == "ExpSyn":
        return Known(name, ExpSyn(), {"tau": _of_point("tau"), "e": _of_point("e")})
    if name == "Exp2Syn":
        own = {"rise": "tau1", "decay": "tau2", "e": "e"}
        return Known(name, Exp2Syn(), {k: _of_point(x) for k, x in own.items()})
    found = _found(h, name, 1)
    return found or _by_text(h, name, 1, _of_point, styles)


def text_of(h: Any, name: str, kind: int) -> str:
    """Return the text of a mechanism that NEURON holds (`kind` 0 density, 1 point process), "" where there is none."""
    types = h.MechanismType(kind)
    types.select(name)
    # Where an included file lay is of no use here, and no business of a saved model.
    return re.sub(r"(?m)^:::realpath .*$", ":::", str(types.code() or "")[:_MOST])


def is_ours(text: str) -> bool:
    """Whether `to_neuron` wrote a text from a class."""
    return _WRITTEN.search(text) is not None


def _of_density(name: str, variable: str) -> Read:
    return lambda segments: [getattr(getattr(seg, name), variable) for seg in segments]


def _of_segment(variable: str) -> Read:
    return lambda segments: [getattr(seg, variable) for seg in segments]


def _of_point(variable: str) -> Read:
    return lambda points: [getattr(p, variable) for p in points]


def _of_world(h: Any, variable: str) -> Read:
    return lambda carriers: getattr(h, variable)


def _kind(found: Known) -> str:
    kinds = (Channel, Ion, EventSynapse, Synapse)
    return next((k.__name__ for k in kinds if isinstance(found.template, k)), type(found.template).__name__)


def _variables(h: Any, name: str, kind: int) -> list[str]:
    """Return the names of a mechanism's variables: `kind` 1 parameters of every instance, −1 those of all."""
    standard, found = h.MechanismStandard(name, kind), h.ref("")
    names = []
    for k in range(int(standard.count())):
        standard.name(found, k)
        names.append(str(found[0]))
    return names


def _has_tables(h: Any, name: str) -> bool:
    """Whether NEURON interpolates the rates of a mechanism in a table."""
    return f"usetable_{name}" in _variables(h, name, -1) and bool(getattr(h, f"usetable_{name}"))


def _tables(h: Any, name: str) -> tuple[str, ...]:
    if _has_tables(h, name):
        return (f"{name}: NEURON interpolates its rates in a table; h.usetable_{name} = 0 makes both equal",)
    return ()


@lru_cache(maxsize=512)
def _class(text: str, name: str, usetable: bool) -> type[Any]:
    """Return the class of a mechanism's text; made once, so that equal texts are one class."""
    return class_of_source(chosen(text_source(text, f"{name}.mod"), usetable, None))


def _by_text(h: Any, name: str, kind: int, own: Callable[[str], Read], styles: Styles) -> Known:
    """Return what the text of a mechanism is read as; `own` reads a variable of one instance."""
    text = text_of(h, name, kind)
    if not text.strip():
        raise ParameterError(
            f"NEURON's mechanism '{name}' carries no text to read (it was built in, or by the Channel Builder); take"
            f" it out, or call from_neuron(without=['{name}'])"
        )
    try:
        cls = _class(text, name, _has_tables(h, name))
        template = cls()
    except CajaxError as error:
        raise ParameterError(
            f"{error}; take '{name}' out of the model, or call from_neuron(without=['{name}'])"
        ) from None
    # The value of celsius is that of the model here, and what a POINTER shows was looked at.
    notes = tuple(x for x in cls.report.approximated if not x.endswith(_PRESYNAPTIC))
    species = _written(text) if isinstance(template, Ion) else ()
    values = _read_from(h, name, template, own, styles, kind, species)
    return Known(
        name,
        template,
        values,
        species,
        _reads(template),
        approximated=notes,
        is_read=True,
    )


def _reads(template: Mechanism) -> tuple[str, ...]:
    """Return what a channel takes of its surroundings."""
    if not isinstance(template, Channel):
        return ()
    outline = template.outline()
    return (*outline.gates_read, *outline.current_reads)


def _written(text: str) -> tuple[str, ...]:
    """Return the ions whose concentrations a file writes, as NEURON spells them."""
    found = _USE.findall(visible(text))
    return tuple(x for x, _, written in found if {f"{x}i", f"{x}o"} & set(re.split(r"[,\s]+", written)))


def _read_from(
    h: Any,
    name: str,
    template: Mechanism,
    own: Callable[[str], Read],
    styles: Styles,
    kind: int,
    written: Sequence[str],
) -> dict[str, Read]:
    """Return where every parameter of a class is read: one per instance, one for all, or the ion's."""
    suffix = "" if kind else f"_{name}"
    ranges = {x.removesuffix(suffix) for x in _variables(h, name, 1)}
    shared = {x.removesuffix(f"_{name}"): x for x in _variables(h, name, -1)}
    ions = {f"{x}{side}": x for x in written for side in "io"}
    found: dict[str, Read] = {}
    for spec in template.specs():
        # A name that means something else here has got a _ behind it, or lost one before it.
        theirs = [spec.name, spec.name.rstrip("_"), f"_{spec.name}"]
        if per := next((x for x in theirs if x in ranges), None):
            found[spec.name] = own(per)
        elif one := next((x for x in theirs if x in shared), None):
            found[spec.name] = _of_world(h, shared[one])
        elif spec.name == "celsius":
            found[spec.name] = _of_world(h, "celsius")
        elif spec.name.rstrip("0") in ions:
            found[spec.name] = styles.concentration(spec.name.rstrip("0"))
    return found


def _found(h: Any, name: str, kind: int) -> Known | None:
    """Return the class that `to_neuron` wrote a mechanism from, None where it did not."""
    text = text_of(h, name, kind)
    match = _WRITTEN.search(text)
    if match is None:
        return None
    cls = class_of(match[1], _load)
    if cls is None or not issubclass(cls, (Channel, Ion, EventSynapse, Synapse)):
        raise ParameterError(
            f"NEURON's mechanism '{name}' was written from the class {match[1]}, which is not there; import its module"
            " first"
        )
    return _matched(name, cls, text)


def _load(name: str) -> None:
    """Define the libraries, of which the class may be one."""
    if name.partition(".")[0] in LIBRARY:
        load_library(name.partition(".")[0])


def _matched(name: str, cls: type, text: str) -> Known:
    """Return the class where it writes this text today, so that the equations are the same."""
    template = cls()
    for mod, species, warm in _candidates(name, template, text):
        if mod.text.split() == text.split():
            dense = isinstance(template, Channel | Ion)
            own = {k: _of_density(name, x) if dense else _of_point(x) for k, x in mod.parameters.items()}
            return Known(name, template, own, (species,) if species else (), _reads(template), warm)
    raise ParameterError(
        f"NEURON's mechanism '{name}' was written from {cls.__name__}, which is another today, or has other choices;"
        " export the model again"
    )


def _candidates(name: str, template: Any, text: str) -> Iterator[tuple[Mod, str, bool]]:
    """Yield what the class may have been written as."""
    used = dict.fromkeys(re.findall(r"^\s*USEION (\w+)", text, re.MULTILINE))
    valence = {k: int(z) for k, z in re.findall(r"USEION (\w+) .*VALENCE (-?\d+)", text)}
    if isinstance(template, EventSynapse | Synapse):
        yield synapse_mod(template, name), "", True
        return
    if isinstance(template, Ion):
        for species in used:
            yield pool_mod(template, species, name), species, True
        return
    valences = {species: valence.get(species, 1) for species in used}
    for warm in (True, False):
        try:
            yield channel_mod(template, template.outline(), name, warm, valences), "", warm
        except CajaxError:
            continue


def readers(mechanisms: Iterable[Known]) -> set[str]:
    """Return what channels read of ions and of the temperature."""
    return {name for x in mechanisms for name in x.reads}
