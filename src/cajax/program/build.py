"""From a loop and its lanes to a run of the native machine: both directions planned, and described by numbers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from .emit import BYTES
from .levels import Levels, Role, Slot, contractions, planned
from .loop import Loop
from .lowering import lowered
from .nodes import KIND_OF, Node, Ref, UnsupportedError, ordered
from .side import Memory, Side
from .stored import worth_storing

FORWARD, STORING, ADJOINT = range(3)


def width_of(loop: Loop, lanes: int | None) -> int:
    """Return how many lanes go side by side; without lanes, how many entries. One width per type on every processor."""
    double = any(x.dtype == np.float64 for x in (*loop.inputs, *loop.outs))
    most, least = (8, 2) if double else (16, 4)
    if lanes is None:
        return most
    width = least
    while width < min(lanes, most):
        width *= 2
    return width


@final
@dataclass(eq=False)
class Built:
    """What makes a run: its numbers, its kernels as (text, names) of modules, its constants."""

    blob: np.ndarray
    modules: list[tuple[str, tuple[str, ...]]]
    constants: list[np.ndarray]


@final
@dataclass(eq=False)
class Inputs:
    """Input nodes of a program by identity: their slots, and whether they are wide. `nodes` keeps all of them alive."""

    known: dict[int, tuple[Slot, bool]] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def add(self, value: Any, kind: str, index: int, wide: bool) -> Ref:
        """Return a new input."""
        node = Node("input", (), value.size, value.dtype, value.key)
        if value.size == 0:
            raise UnsupportedError("empty arrays")
        self.known[id(node)] = Slot(kind, (index,), node.n, node.kind, wide), wide
        self.nodes.append(node)
        return Ref(node)


@final
class Building:
    """A loop for certain lanes, lowered and planned; with `nonzero` for its reverse too, by those thetas.

    Raises `UnsupportedError` for what cannot be compiled.
    """

    def __init__(
        self, loop: Loop, lanes: int | None, flags: Sequence[bool], nonzero: tuple[bool, ...] | None = None
    ):
        self.loop, self.lanes, self.nonzero = loop, lanes, nonzero or ()
        self.vector = width_of(loop, lanes)
        self.width = 1 if lanes is None else self.vector
        wide = loop.wide(flags)
        self.theta_wide, self.state_wide = (
            wide[: loop.n_theta],
            wide[loop.n_theta : loop.n_theta + loop.n_state],
        )
        self.out_wide = wide[loop.n_theta + loop.n_state :]
        self.saved: list[Node] = []
        self.saved_wide: list[bool] = []
        self._saved_inputs: list[Node] = []
        self._levels: dict[int, Levels] = {}
        inputs, outputs = self._forward()
        roots: list[tuple[Role, Ref]] = [
            (("state_out", i) if i < loop.n_state else ("out", i - loop.n_state), ref)
            for i, ref in enumerate(outputs)
        ]
        decided = contractions([r for _, r in roots], {})
        wide_roots = {("state_out", i): w for i, w in enumerate(self.state_wide)}
        wide_roots |= {("out", i): w for i, w in enumerate(self.out_wide)}
        if nonzero is None:
            self._levels[FORWARD] = planned(roots, inputs.known, decided, wide_roots)
            return
        reverse = self._reverse(outputs, decided)
        stored: list[tuple[Role, Ref]] = [(("saved", k), Ref(node)) for k, node in enumerate(self.saved)]
        storing = planned([*roots, *stored], inputs.known, decided, wide_roots)
        self.saved_wide = [storing.wide[id(node)] for node in self.saved]
        self._levels |= {STORING: storing, ADJOINT: self._reverse_levels(reverse, decided)}

    def built(self, mode: int, per_lane: bool = False) -> Built:
        """Return the run of a mode; `per_lane` keeps cotangents of what lanes share apart."""
        constants: list[np.ndarray] = []
        forward = self._levels[FORWARD if mode == FORWARD else STORING]
        sides = [Side(forward, self.width, self.vector, "f", constants)]
        if mode == ADJOINT:
            sides.append(Side(self._levels[ADJOINT], self.width, self.vector, "r", constants))
        return self._encoded(sides, mode, per_lane, constants)

    def _forward(self) -> tuple[Inputs, list[Ref]]:
        loop, inputs = self.loop, Inputs()
        values = loop.step.inputs
        refs = [inputs.add(v, "theta", i, self.theta_wide[i]) for i, v in enumerate(values[: loop.n_theta])]
        refs += [
            inputs.add(v, "state_in", i, self.state_wide[i]) for i, v in enumerate(values[loop.n_theta :])
        ]
        return inputs, lowered(loop.step, refs)

    def _reverse(self, outputs: Sequence[Ref], decided: dict[Any, int | None]) -> tuple[Inputs, list[Ref]]:
        """Lower the program back, and choose what of it the forward pass stores."""
        loop = self.loop
        back = loop.reversed(self.nonzero)
        inputs = Inputs()
        values = back.step.inputs
        refs = [inputs.add(v, "theta", i, self.theta_wide[i]) for i, v in enumerate(values[: loop.n_theta])]
        at = loop.n_theta
        refs += [inputs.add(values[at + i], "state_in", i, w) for i, w in enumerate(self.state_wide)]
        at += loop.n_state
        # With lanes every cotangent has lanes: what the lanes share belongs to the first of them.
        lanes = self.lanes is not None
        refs += [inputs.add(values[at + k], "ct_in", i, lanes) for k, i in enumerate(loop.moving)]
        at += len(loop.moving)
        refs += [inputs.add(values[at + k], "ct_record", i, lanes) for k, i in enumerate(loop.told)]
        roots = lowered(back.step, refs)
        cts = {key for key, (slot, _) in inputs.known.items() if slot.kind in ("ct_in", "ct_record")}
        known = {node.key: node for node in ordered(outputs) if node.op not in ("input", "constant")}
        # States after the step are there anyway, as those before the next one.
        after = {r.node.key: i for i, r in reversed([*enumerate(outputs[: loop.n_state])]) if r.is_whole}
        replaced: dict[int, Node] = {}
        for node in worth_storing(roots, cts, known, set(after)):
            stored = replaced[id(node)] = Node("input", (), node.n, node.dtype, node.key)
            if (i := after.get(node.key)) is not None:
                wide = self.state_wide[i]
                inputs.known[id(stored)] = Slot("state_next", (i,), node.n, node.kind, wide), wide
                inputs.nodes.append(stored)
            else:
                self.saved.append(known[node.key])
                self._saved_inputs.append(stored)
        for node in ordered(roots):
            node.refs = tuple(_renewed(r, replaced) for r in node.refs)
        roots = [_renewed(r, replaced) for r in roots]
        return inputs, roots

    def _reverse_levels(self, reverse: Any, decided: Any) -> Levels:
        inputs, roots = reverse
        loop = self.loop
        for k, (node, wide) in enumerate(zip(self._saved_inputs, self.saved_wide, strict=True)):
            inputs.known[id(node)] = Slot("saved", (k,), node.n, node.kind, wide), wide
        count = len(loop.reversed(self.nonzero).chosen)
        named: list[tuple[Role, Ref]] = [
            (("acc", k) if k < count else ("ct_out", loop.moving[k - count]), ref)
            for k, ref in enumerate(roots)
        ]
        lanes = self.lanes is not None
        wide_roots = dict.fromkeys((role for role, _ in named), lanes)
        return planned(named, inputs.known, contractions([r for _, r in named], decided), wide_roots)

    def _encoded(
        self, sides: Sequence[Side], mode: int, per_lane: bool, constants: list[np.ndarray]
    ) -> Built:
        loop, width = self.loop, self.width
        record = Memory(width)
        states = [
            record.add(v.size, KIND_OF[v.dtype.name], w)
            for v, w in zip(loop.states, self.state_wide, strict=True)
        ]
        state_bytes = record.bytes
        kept = zip(self.saved, self.saved_wide, strict=True) if mode != FORWARD else ()
        saved = [record.add(x.n, x.kind, w) for x, w in kept]
        thetas = [_field(v, w) for v, w in zip(loop.thetas, self.theta_wide, strict=True)]
        programs, kernels = [], 0
        for side in sides:
            programs += side.encoded(kernels)
            kernels += len(side.names)
        if len(sides) == 1:
            programs += [0, 0, 0]
        numbers = [
            mode,
            self._signature(sides[0], record.bytes),
            width,
            self.lanes or 0,
            loop.steps,
            *_counted(loop.lengths),
        ]
        for fields in (thetas, states, saved, self._outs()):
            numbers += [len(fields), *(x for f in fields for x in f)]
        numbers += [
            record.bytes,
            state_bytes,
            *self._cotangents(mode, per_lane),
            kernels,
            len(constants),
            *programs,
        ]
        modules = [(side.text, tuple(side.names.values())) for side in sides]
        return Built(np.asarray(numbers, np.int64), modules, constants)

    def _signature(self, forward: Side, record: int) -> int:
        """Return a number by which a run that keeps and the reverse that reads it know each other."""
        content = repr((forward.text, self.loop.steps, self.lanes, self.theta_wide, self.state_wide, record))
        return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=7).digest(), "little")

    def _outs(self) -> list[tuple[int, int, int, int]]:
        """Return the fields of outs; the last number says how often one is taken, and whether it has a derivative."""
        told = self.loop.told
        pairs = enumerate(zip(self.loop.outs, self.out_wide, strict=True))
        every = self.loop.every
        return [(*_field(v, w)[:3], 2 * every[i] + int(i not in told)) for i, (v, w) in pairs]

    def _cotangents(self, mode: int, per_lane: bool) -> list[int]:
        """Return the numbers that describe cotangents: of states, of thetas, which are kept apart, their bytes."""
        loop, lanes = self.loop, self.lanes is not None
        if mode != ADJOINT:
            return [0, 0, 0, 0, int(per_lane and lanes)]
        memory = Memory(self.width)
        cts = [
            memory.add(v.size if i in loop.moving else 0, KIND_OF[v.dtype.name], lanes)
            for i, v in enumerate(loop.states)
        ]
        chosen = loop.reversed(self.nonzero).chosen
        accs = [_field(loop.thetas[i], lanes) for i in chosen]
        apart = [int(lanes and (per_lane or self.theta_wide[i])) for i in chosen]
        apart += [int(lanes and (per_lane or w)) for w in self.state_wide]
        numbers: list[int] = []
        for fields in (cts, accs):
            numbers += [len(fields), *(x for f in fields for x in f)]
        return [*numbers, *_counted(apart), memory.bytes, int(per_lane and lanes)]


def _counted(numbers: Sequence[int]) -> list[int]:
    return [len(numbers), *numbers]


def _field(value: Any, wide: bool) -> tuple[int, int, int, int]:
    return value.size, BYTES[KIND_OF[value.dtype.name]], int(wide), 0


def _renewed(ref: Ref, replaced: Mapping[int, Node]) -> Ref:
    return Ref(replaced[id(ref.node)], ref.table) if id(ref.node) in replaced else ref
