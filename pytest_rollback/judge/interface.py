"""Writes down what others can call: the parameters of a function, the public names of a class and of a module.

Each is a mapping with the key `is`, which says what it stands for. A class has what it and its bases of the same
package define, so that a method may move to a base; a module has what it defines itself, or what its `__all__` names.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Iterator
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_rollback.judge.canonical import ContractError, below, member_in_words, safely, text_of

if TYPE_CHECKING:
    from pytest_rollback.judge.canonical import Writer

IS = "is"
FUNCTION, ASYNC, CLASS, ENUMERATION, MODULE, PROPERTY, VALUE = (
    "function",
    "async function",
    "class",
    "enumeration",
    "module",
    "property",
    "value",
)
MARKS = frozenset({FUNCTION, ASYNC, CLASS, ENUMERATION, MODULE, PROPERTY, VALUE})
CALLED = "call"  # the parameters that making an object takes
KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional or keyword",
    inspect.Parameter.KEYWORD_ONLY: "keyword only",
    inspect.Parameter.VAR_POSITIONAL: "any positional",
    inspect.Parameter.VAR_KEYWORD: "any keyword",
}
FUNCTIONS = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    partial,
)
PLAIN = (type(None), bool, int, float, complex, str, bytes)
UNIONS = (typing.Union, getattr(types, "UnionType", typing.Union))


def written(value: Any, path: str, writer: Writer) -> Any:
    """Write down something that can be called or imported, or a type; null where it is none of these."""
    if isinstance(value, inspect.Signature):
        return {IS: FUNCTION, **_signature(value, path)}
    if _is_function(value):
        return _function(value, path)
    if isinstance(value, types.ModuleType):
        return _module(value, path, writer)
    if typing.get_origin(value) is not None or isinstance(value, typing.TypeVar):
        return type_in_words(value)
    if isinstance(value, type):
        return type_in_words(value) if _is_of_python(value) else _class(value, path, writer)
    return None


def type_in_words(annotation: Any) -> str:
    """Write a type as people do, `list[User] | None`: without modules, so that an import may be written otherwise."""
    if isinstance(annotation, str):
        return text_of(" ".join(annotation.split()))
    if isinstance(annotation, typing.ForwardRef):
        return type_in_words(annotation.__forward_arg__)
    if isinstance(annotation, list):
        return f"[{', '.join(map(type_in_words, annotation))}]"
    origin = typing.get_origin(annotation)
    if origin not in (None, annotation):  # that of Generic is Generic
        return _generic_in_words(origin, typing.get_args(annotation))
    if annotation is None or annotation is Ellipsis:
        return {None: "None", Ellipsis: "..."}[annotation]
    names = (getattr(annotation, key, None) for key in ("__qualname__", "__name__", "_name"))
    name = next((name for name in names if isinstance(name, str) and name), f"<{type(annotation).__qualname__}>")
    return "None" if annotation is type(None) else text_of(name)


def _generic_in_words(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin in UNIONS:
        return " | ".join(map(type_in_words, arguments))
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(default_in_words, arguments))}]"
    if origin is typing.Annotated:
        return type_in_words(arguments[0])
    inner = f"[{', '.join(map(type_in_words, arguments))}]" if arguments else ""
    return f"{type_in_words(origin)}{inner}"


def default_in_words(value: Any, depth: int = 0) -> str:
    """Write a default as it stands in code: `10`, `'utf-8'`, `()`. Of other objects only the class is known."""
    if type(value) in PLAIN:
        return text_of(repr(value)) if not isinstance(value, int) or -(2**63) <= value < 2**63 else hex(value)
    if isinstance(value, Enum):
        return member_in_words(value)
    if isinstance(value, type) or _is_function(value):
        return type_in_words(value)
    deep = depth > 5  # noqa: PLR2004 (nobody relies on what lies deeper than that in a default)
    if type(value) in (tuple, list, set, frozenset) and not deep:
        parts = [default_in_words(each, depth + 1) for each in value]
        signs = {"tuple": "()", "list": "[]"}.get(type(value).__name__, "{}")
        return f"{signs[0]}{', '.join(sorted(parts) if signs == '{}' else parts)}{signs[1]}"
    if type(value) is dict and not deep:
        pairs = ((default_in_words(key, depth + 1), default_in_words(value[key], depth + 1)) for key in value)
        return f"{{{', '.join(f'{key}: {each}' for key, each in sorted(pairs))}}}"
    return f"<{type(value).__qualname__}>"


def _is_function(value: Any) -> bool:
    """Whether it is called, and no class: a decorated or partly filled one is too.

    Only its type is asked: a proxy that somebody put into a module may raise at whatever else it is asked.
    """
    if issubclass(type(value), (*FUNCTIONS, type)):
        return not issubclass(type(value), type)
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return False
    return callable(value) and "__wrapped__" in own


def _function(value: Any, path: str, *, of_object: bool = False) -> dict[str, Any]:
    kind = ASYNC if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value) else FUNCTION
    try:
        signature = inspect.signature(value)
    except (ValueError, TypeError):
        return {IS: kind}  # one of C, which does not tell
    except Exception as error:
        msg = f"{path or 'the contract'}: its parameters can't be read: {type(error).__name__}"
        raise ContractError(msg) from error
    return {IS: kind, **_signature(signature, path, skip=int(of_object))}


def _signature(signature: inspect.Signature, path: str, skip: int = 0) -> dict[str, Any]:
    """Write parameters by their names. Where one stands counts only where it can be given by its place."""
    parameters = {}
    places = 0
    for parameter in list(signature.parameters.values())[skip:]:
        found: dict[str, Any] = {"kind": KINDS[parameter.kind]}
        place = f"{path}({parameter.name})"
        if parameter.annotation is not parameter.empty:
            found["type"] = safely(type_in_words, place, parameter.annotation)
        if parameter.default is not parameter.empty:
            found["default"] = safely(default_in_words, place, parameter.default)
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            found["place"] = places
            places += 1
        parameters[_sign(parameter)] = dict(sorted(found.items()))
    returns = signature.return_annotation
    told = {} if returns is signature.empty else {"returns": safely(type_in_words, path, returns)}
    return {"parameters": dict(sorted(parameters.items())), **told}


def _sign(parameter: inspect.Parameter) -> str:
    """Name a parameter; how those for all the rest are called is nobody's business."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return "*"
    return "**" if parameter.kind is parameter.VAR_KEYWORD else parameter.name


def _class(value: type, path: str, writer: Writer) -> dict[str, Any]:
    family = [base for base in value.__mro__ if not _is_of_python(base) and _package(base) == _package(value)]
    others = [base for one in family for base in one.__bases__ if base not in family and base is not object]
    bases = {type_in_words(base) for base in (*family[1:], *others) if not base.__name__.startswith("_")}
    found: dict[str, Any] = {IS: CLASS, "bases": sorted(bases)}
    if issubclass(value, Enum):
        names = {name: member.value for name, member in value.__members__.items()}
        return {IS: ENUMERATION, "bases": sorted(bases), "members": writer.mapping(_values(names), path)}
    made = next(
        (one.__dict__[name] for one in family for name in ("__init__", "__new__") if name in one.__dict__), None
    )
    if isinstance(told := getattr(value, "__signature__", None), inspect.Signature):
        found[CALLED] = {"parameters": _signature(told, path)["parameters"]}
    elif made is not None:
        call = _function(getattr(made, "__func__", made), path, of_object=True)
        found[CALLED] = {"parameters": call.get("parameters", {})}
    members = {}
    for one in reversed(family):
        members.update(
            {name: type_in_words(kind) for name, kind in _annotations(one, path) if not name.startswith("_")}
        )
        for name, member in one.__dict__.items():
            if not name.startswith("_") and not (_is_data(member) and name in members):
                members[name] = _member(member, value, below(path, name), writer)
    found["members"] = dict(sorted(members.items()))
    return found


def _member(member: Any, owner: type, path: str, writer: Writer) -> Any:
    """Write one attribute of a class."""
    if isinstance(member, (classmethod, staticmethod)):
        return _function(member.__func__, path, of_object=isinstance(member, classmethod))
    if isinstance(member, property) or type(member).__name__ == "cached_property":
        return _property(member)
    if _is_function(member):
        return _function(member, path, of_object=True)
    if isinstance(member, type) and member.__qualname__.startswith(f"{owner.__qualname__}."):
        return writer.write(member, path)
    return _value(member)


def _property(member: Any) -> dict[str, Any]:
    """Write a property. That it can be set is a thing that can be taken away, so it is there or it is not."""
    getter = getattr(member, "fget", None) or getattr(member, "func", None)
    told = getattr(getter, "__annotations__", {}).get("return")
    kind = {} if told is None else {"type": type_in_words(told)}
    settable = {"settable": True} if getattr(member, "fset", None) is not None else {}
    return {IS: PROPERTY, **settable, **kind}


def _module(module: types.ModuleType, path: str, writer: Writer) -> dict[str, Any]:
    members = {}
    for name in sorted(_public(module)):
        place = below(path, name)
        value = safely(getattr, place, module, name)
        inner = _is(value, types.ModuleType) and value.__name__.startswith(f"{module.__name__}.")
        if _is_function(value):
            members[name] = _function(value, place)
        elif inner or (_is(value, type) and not _is_of_python(value)):
            members[name] = writer.write(value, place)
        else:
            members[name] = _value(value)
    return {IS: MODULE, "members": members}


def _public(module: types.ModuleType) -> Iterator[str]:
    """Name what a module offers: what its `__all__` names, else what it defines without a leading underscore.

    What a package takes from its own modules is its own.
    """
    named = module.__dict__.get("__all__")
    if named is not None:
        yield from dict.fromkeys(str(name) for name in named)
        return
    for name, value in module.__dict__.items():
        imported = _is(value, types.ModuleType) or type(value).__module__ == "__future__"
        home = getattr(value, "__module__", None) if _is(value, type) or _is_function(value) else None
        own = home in (None, module.__name__)
        own = own or ("__path__" in module.__dict__ and str(home).startswith(f"{module.__name__}."))
        if not name.startswith("_") and not imported and own:
            yield name


def _value(value: Any) -> dict[str, Any]:
    """Write a constant or another object, of which others see its type."""
    if _is(value, types.ModuleType):
        return {IS: VALUE, "type": "module"}
    if _is(value, type) or (type(value).__module__ in ("typing", "types") and typing.get_origin(value) is not None):
        return {IS: VALUE, "type": f"type[{type_in_words(value)}]"}
    return {IS: VALUE, "type": type_in_words(type(value))}


def _is(value: Any, kind: type) -> bool:
    """Whether a value is of a kind, without asking the value, as `isinstance` does."""
    return issubclass(type(value), kind)


def is_empty(contract: Any) -> bool:
    """Whether a written contract holds nothing: it is empty, or a module without a public name."""
    return not contract or (isinstance(contract, dict) and contract.get(IS) == MODULE and not contract.get("members"))


def _values(names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in names.items():
        yield name, value if type(value) in (str, int, bool, float) else default_in_words(value)


def _annotations(owner: type, path: str) -> list[tuple[str, Any]]:
    return list(safely(inspect.get_annotations, path or owner.__qualname__, owner).items())


def _is_data(member: Any) -> bool:
    """Whether a class's attribute is the default of a field, and not something to call."""
    return not (_is_function(member) or isinstance(member, (classmethod, staticmethod, property, type)))


def _is_of_python(value: type) -> bool:
    return _package(value) in sys.stdlib_module_names and _package(value) != "__main__"


def _package(value: type) -> str:
    return str(value.__module__).partition(".")[0]
