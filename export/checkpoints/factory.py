"""Networks that a call builds, named as ``package.module:build(arch='x')``.

The code of that module runs, because the user named it: as uvicorn and gunicorn do, the current directory is put on
the path first. What stands in the parentheses is never run: arguments are literals.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

from edgeseg.console.extras import require
from edgeseg.errors import UserError

if TYPE_CHECKING:
    from torch import nn

MOST_NAMES = 5
LONGEST = 10_000


@dataclass(frozen=True)
class Call:
    """What builds a network.

    Attributes:
        text: as it was written.
        module: the name of a module.
        attribute: of a class, a function or a ready network in it, with dots.
        arguments, keywords: literals.
    """

    text: str
    module: str
    attribute: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a network of it is called."""
        return self.attribute.rpartition(".")[2].lower()


def parse_call(text: str) -> Call:
    """Read ``package.module:build(3, arch='x')``; without parentheses nothing is given.

    Raises:
        UserError: it is no such call, or an argument is no literal.

    Example:
        >>> parse_call("nets.unet:UNet(3, bilinear=True)").keywords
        {'bilinear': True}
    """
    module, _, call = text.partition(":")
    module = module.strip()
    if module.endswith(".py") or "/" in module:
        plain = module.removesuffix(".py").strip("./").replace("/", ".")
        raise UserError(f"{text!r} names a file; name the module, from the folder that it is in: '{plain}:{call}'.")
    if not all(part.isidentifier() for part in module.split(".")):
        raise UserError(f"{module!r} in {text!r} is no name of a module. {_example()}")
    try:
        parsed = ast.parse(call.strip(), mode="eval").body if len(call) < LONGEST else None
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        parsed = None
    target = parsed.func if isinstance(parsed, ast.Call) else parsed
    attribute = _dotted(target)
    if attribute is None:
        raise UserError(f"{call!r} in {text!r} is no call of one name. {_example()}")
    if not isinstance(parsed, ast.Call):
        return Call(text, module, attribute)
    keywords = {str(one.arg): _literal(one.value, text) for one in parsed.keywords if one.arg is not None}
    if len(keywords) < len(parsed.keywords):
        raise UserError(f"{text!r} has ** in it; write each argument with its name.")
    return Call(text, module, attribute, tuple(_literal(one, text) for one in parsed.args), keywords)


def build_network(call: Call) -> nn.Module:
    """Import the module, with the current directory on the path, and make the call.

    Raises:
        UserError: there is no such module or name, the call fails, or what it gives is no ``torch.nn.Module``.
    """
    torch = require("torch", "export")
    found = _find(_import(call), call)
    made: Any = found if isinstance(found, torch.nn.Module) else _call(found, call)
    if not isinstance(made, torch.nn.Module):
        raise UserError(
            f"{call.text} gives a {type(made).__name__}, and a network is a torch.nn.Module. Name what builds one; "
            "where it gives several things, write a function that returns the network alone."
        )
    network: nn.Module = made
    return network


def _example() -> str:
    return "A network that Python builds is named as 'package.module:build(arch=\"x\")'."


def _dotted(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)) is not None:
        return f"{before}.{node.attr}"
    return None


def _literal(node: ast.expr, text: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise UserError(
            f"The argument {ast.unparse(node)[:80]!r} in {text!r} is no literal. Numbers, texts in quotes, True, "
            "False, None, and lists, tuples and dictionaries of them can be given; for anything else write a function "
            "without arguments that builds the network."
        ) from None


def _import(call: Call) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(call.module)
    except ModuleNotFoundError as error:
        missing = str(error.name)
        if call.module == missing or call.module.startswith(f"{missing}."):
            raise UserError(
                f"There is no module {missing!r} in {here} or among the packages that are installed. Start edgeseg in "
                f"the folder that {call.module.partition('.')[0]!r} is in, or install it."
            ) from None
        raise UserError(f"{call.module} needs the module {missing!r}, which is not installed here.") from None
    except Exception as error:  # the code of others may end in anything
        raise UserError(f"Importing {call.module} failed: {_told(error)}.") from error


def _find(module: ModuleType, call: Call) -> Any:
    found: Any = module
    for name in call.attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise UserError(f"{call.module} has no {call.attribute!r}{_what_it_has(module)}.") from None
    return found


def _what_it_has(module: ModuleType) -> str:
    torch = require("torch", "export")
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__ and callable(value)
    ]
    classes = [name for name in own if isinstance(vars(module)[name], type)]
    networks = [name for name in classes if issubclass(vars(module)[name], torch.nn.Module)]
    shown = networks or own
    more = ", ..." if len(shown) > MOST_NAMES else ""
    return f"; it has {', '.join(shown[:MOST_NAMES])}{more}" if shown else ""


def _call(found: Any, call: Call) -> Any:
    if not callable(found):
        raise UserError(f"{call.module}:{call.attribute} is a {type(found).__name__}, which builds no network.")
    try:
        return found(*call.arguments, **call.keywords)
    except Exception as error:  # the code of others may end in anything
        more = f"{_download(error)}{_signature(found, error)}"
        raise UserError(f"{call.text} failed: {_told(error)}.{more}") from error


def _download(error: Exception) -> str:
    """What helps where a network fetches the weights of its encoder while it is built."""
    if not isinstance(error, URLError | ConnectionError):
        return ""
    return (
        " It downloads while it is built, usually weights of an encoder that `weights` would replace. Give the "
        "argument that keeps it from that, or write a function that builds it without."
    )


def _signature(found: Any, error: Exception) -> str:
    if not isinstance(error, TypeError):
        return ""
    try:
        return f" It takes {inspect.signature(found)}."
    except (TypeError, ValueError):
        return ""


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}".rstrip(".: ")
