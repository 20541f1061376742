"""C code between VERBATIM and ENDVERBATIM: what does nothing, and what says the same in NMODL.

Nothing is compiled or run. A few statements of C read as NMODL once their marks are taken off: `x = _ion_x;`,
assignments, IF and `return`. Whatever holds more than that, a pointer, a string, a loop, a call of NEURON's
own functions, is no NMODL and stays C.
"""

import re
from typing import final

_TOKEN = re.compile(
    r"[A-Za-z_]\w*|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|==|!=|<=|>=|&&|\|\||[-+*/]=|\+\+|--|->|\S|\Z"
)
RETURN = "cajax_return"
"""What stands for `return` in the text that is read as NMODL."""
_PICKS = re.compile(
    r"\b(nrn_random_pick|nrnran123_\w*pick|nrnran123_negexp|nrnran123_normal|urand\s*\(|nrand\s*\()"
)
_KEEPING = re.compile(
    r"\b(hoc_execerror|nrnran123_setseq|nrn_random_reset)\s*\((?:[^()]|\([^()]*\)|\(\([^()]*\)[^()]*\))*\)\s*;"
)
"""What keeps NEURON's own streams and settings in order."""
_REAL = ("double", "float")
_WHOLE = ("int", "long", "unsigned", "char")
_CASTS = (*_REAL, *_WHOLE)
_STRANGE = frozenset({"->", "&", "%", "?", '"', "'", "#", "--", "~", "\\", "."})
_WORDS = frozenset(
    {
        "while",
        "for",
        "do",
        "switch",
        "goto",
        "static",
        "extern",
        "struct",
        "sizeof",
        "else",
        "break",
        "continue",
    }
)


def bare(code: str) -> str:
    """Return C code without comments, lines for the preprocessor, prints and declarations of what is elsewhere.

    A print may go to a file that is opened and closed around it.
    """
    code = re.sub(r"/\*.*?\*/|//[^\n]*|^[ \t]*#[^\n]*", "", code, flags=re.DOTALL | re.MULTILINE)
    code = re.sub(
        r"\bFILE\s*\*\s*\w+\s*;|\b\w+\s*=\s*fopen\s*\([^;()]*\)\s*;|\bfclose\s*\(\w+\)\s*;", "", code
    )
    code = re.sub(r'\bf?printf\s*\((?:"(?:\\.|[^"\\])*"|[^;"])*\)\s*;', "", code)
    return re.sub(r"\bextern\b[^;{}]*;", "", _KEEPING.sub("", code))


def of_hoc_vectors(code: str) -> bool:
    """Whether C code goes through a Vector that hoc may have given; none is, here."""
    return bool(re.search(r"\bif\s*\(\s*\w+\s*&&\s*vector_capacity\s*\(", code))


def open_braces(code: str) -> int:
    """Return how many braces C code opens and does not close."""
    code = bare(code)
    return code.count("{") - code.count("}")


def drawn(name: str, code: str, arguments: int) -> str | None:
    """Return which function of `draws` the C code of a FUNCTION stands for, None where it draws nothing.

    What a stream of hoc gives is set in hoc. Published files say in a comment what it has to be; `urand` is uniform
    even where that comment was copied from elsewhere.
    """
    if not _PICKS.search(code):
        return None
    if arguments == 2 and (name == "BnlDev" or re.search(r"\burand\s*\(", code)):
        return "random_binomial"
    if arguments:
        return None
    if "nrnran123_normal" in code:
        return "random_normal"
    exponential = re.search(r"nrnran123_negexp|negexp\s*\(\s*1\s*\)", code) and not name.startswith("urand")
    return "random_negexp" if exponential else "random_uniform"


def is_trivial(code: str) -> bool:
    """Whether C code does nothing: comments and prints."""
    return not re.sub(r"[;\s]", "", bare(code))


def as_nmodl(code: str, function: str) -> str | None:
    """Return C statements in NMODL, None where they are no NMODL; `return` gives `function`, a FUNCTION, its value."""
    if "#if" in re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL):
        return None
    try:
        return _Reader(bare(code), function).all()
    except _NoNmodlError:
        return None


class _NoNmodlError(Exception):
    pass


@final
class _Reader:
    """Reads C tokens one by one and gives NMODL."""

    def __init__(self, code: str, function: str):
        self.tokens = _TOKEN.findall(code)
        self.at, self.function, self.locals = 0, function, list[str]()

    def all(self) -> str:
        found: list[str] = []
        while self.next != "":
            found.append(self.statement())
        head = f"LOCAL {', '.join(self.locals)}\n" if self.locals else ""
        return head + "\n".join(x for x in found if x)

    @property
    def next(self) -> str:
        return self.tokens[self.at]

    def take(self, wanted: str = "") -> str:
        token = self.next
        if token == "" or (wanted and token != wanted):
            raise _NoNmodlError
        self.at += 1
        return token

    def statement(self) -> str:
        match self.next:
            case ";":
                self.take()
                return ""
            case "{":
                return self.block()
            case "if":
                return self.branched()
            case "switch":
                return self.switched()
            case "return":
                return self.returned()
            case word if word in _REAL:
                self.take()
                return self.declared()
            case word if word in (*_WORDS, *_WHOLE) or not re.match(r"[A-Za-z_]", word):
                raise _NoNmodlError
        return self.assigned()

    def branched(self) -> str:
        self.take("if")
        self.take("(")
        first, condition = self.condition()
        inner = self.statement()
        if not inner and self.next != "else":
            return first
        text = f"{first}if ({condition}) {{ {inner} }}"
        if self.next == "else":
            self.take()
            text += f" else {{ {self.statement()} }}"
        return text

    def condition(self) -> tuple[str, str]:
        """Return what a condition assigns first, as `(x = a) < b` does, and the condition."""
        begin, closing = self.at, self.closing(self.at - 1)
        if self.next == "(" and "=" in self.tokens[begin : self.closing(begin)]:
            self.take()
            target = self.target()
            self.take("=")
            value = self.until(")")
            return f"{target} = {value}\n", f"{target} {self.until(')')}"
        if "=" in self.tokens[begin:closing]:
            raise _NoNmodlError
        return "", self.until(")")

    def closing(self, opened: int) -> int:
        """Return the place of the parenthesis that closes one."""
        depth = 0
        for k in range(opened, len(self.tokens)):
            depth += (self.tokens[k] == "(") - (self.tokens[k] == ")")
            if not depth:
                return k
        raise _NoNmodlError

    def switched(self) -> str:
        """Return `switch` as IF and ELSE; every case must end before the next begins."""
        self.take("switch")
        self.take("(")
        of = self.until(")")
        self.take("{")
        cases: list[tuple[str, str]] = []
        while self.next != "}":
            value = self.take() if self.take() == "case" else ""
            if not value and self.tokens[self.at - 1] != "default":
                raise _NoNmodlError
            self.take(":")
            cases.append((value, self.case()))
        self.take("}")
        text = ""
        for value, inner in reversed(cases):
            if not value and text:
                raise _NoNmodlError  # what follows `default`
            rest = f" else {{ {text} }}" if text else ""
            text = f"if ({of} == {value}) {{ {inner} }}{rest}" if value else inner
        return text

    def case(self) -> str:
        inner: list[str] = []
        while self.next not in ("case", "default", "}"):
            if self.next == "break":
                self.take()
                self.take(";")
                return "\n".join(x for x in inner if x)
            inner.append(self.statement())
        if self.next != "}":
            raise _NoNmodlError  # it falls through to the next
        return "\n".join(x for x in inner if x)

    def block(self) -> str:
        self.take("{")
        inner: list[str] = []
        while self.next != "}":
            inner.append(self.statement())
        self.take("}")
        return "\n".join(x for x in inner if x)

    def returned(self) -> str:
        """A value to return, of a FUNCTION its own; NMODL has no word for it."""
        self.take("return")
        value = self.until(";")
        return f"{self.function} = {value}\n{RETURN}()" if self.function and value else f"{RETURN}()"

    def declared(self) -> str:
        found: list[str] = []
        while True:
            name = self.name(self.take())
            self.locals.append(name)
            if self.next == "=":
                self.take()
                found.append(f"{name} = {self.until(',;')}")
                if self.tokens[self.at - 1] == ";":
                    return "\n".join(found)
            elif self.take() == ";":
                return "\n".join(found)
            elif self.tokens[self.at - 1] != ",":
                raise _NoNmodlError

    def assigned(self) -> str:
        target = self.target()
        op = self.take()
        if op == "++":
            self.take(";")
            return f"{target} = {target} + 1"
        if op not in ("=", "+=", "-=", "*=", "/="):
            raise _NoNmodlError
        value = self.until(";")
        if target == value:  # `cai = _ion_cai;`: what the ion's name is given here without asking
            return ""
        return f"{target} = {value}" if op == "=" else f"{target} = {target} {op[0]} ({value})"

    def target(self) -> str:
        """Return a variable, or an element of an array."""
        target = self.name(self.take())
        if self.next == "[":
            self.take()
            target += f"[{self.until(']')}]"
        return target

    def until(self, ends: str) -> str:
        """Return an expression up to a closing sign, which is taken too."""
        found: list[str] = []
        depth = 0
        while depth or self.next not in tuple(ends):
            token = self.take()
            if token == "(" and self.next in _CASTS and self.tokens[self.at + 1] == ")":
                # To a real number a cast says nothing; a whole number is only wanted as an index.
                if self.next in _WHOLE and not (ends == "]" or found[-1:] == ["["]):
                    raise _NoNmodlError
                self.at += 2
                continue
            if token in _STRANGE or token in _WORDS or token in _CASTS or token in ("{", "}", ";", "=", "++"):
                raise _NoNmodlError
            if token == "/" and self.next.isdigit() and found and (found[-1].isdigit() or found[-1] == ")"):
                raise _NoNmodlError  # in C a division of whole numbers is one
            depth += (token in "([") - (token in ")]")
            found.append(self.name(token) if re.match(r"[A-Za-z_]", token) else token)
        self.take()
        return " ".join(found)

    def name(self, token: str) -> str:
        """Return a variable as NMODL calls it: C knows a LOCAL as `_lx`, what an ion gives as `_ion_x`."""
        if not re.fullmatch(r"[A-Za-z_]\w*", token):
            raise _NoNmodlError
        for mark in ("_ion_", "_l"):
            if token.startswith(mark) and len(token) > len(mark):
                return token[len(mark) :]
        if token.startswith("_"):
            raise _NoNmodlError
        return token
