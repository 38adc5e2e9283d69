"""What a model takes and gives: a value, read from and written to MLmodel exactly as MLflow has it.

`Signature.infer` looks at examples, `Signature.enforce` holds data against it; both live in modules of their own. numpy
and pandas are never imported here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podium.errors import Invalid
from podium.models.columns import Column, Param, Spec, Tensor, param_from_json, spec_from_json, type_text

__all__ = ["Signature"]


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs, outputs and params of a model.

    Attributes:
        inputs: columns or tensors; None where nothing is known of them.
        outputs: likewise.
        params: what `predict` takes beside the data.

    Raises:
        Invalid: columns mixed with tensors, named with unnamed, an empty list, or nothing at all.
    """

    inputs: tuple[Spec, ...] | None = None
    outputs: tuple[Spec, ...] | None = None
    params: tuple[Param, ...] | None = None

    def __post_init__(self) -> None:
        if self.inputs is None and self.outputs is None and self.params is None:
            raise Invalid("a signature needs at least one of inputs, outputs and params.")
        for specs in (self.inputs, self.outputs):
            if specs is not None:
                _check_specs(specs)

    @classmethod
    def infer(
        cls,
        input: object,  # noqa: A002 - the name the contract gives
        output: object = None,
        params: Mapping[str, object] | None = None,
    ) -> Signature:
        """The signature of examples.

        Args:
            input: a frame, array, dict, list or scalar as `predict` takes it.
            output: what the model gave for it, or None.
            params: defaults of the params of `predict`, or None.

        Raises:
            Invalid: no signature fits it; the message says why.
        """
        from podium.models.inference import infer_params, infer_specs

        return cls(
            inputs=infer_specs(input),
            outputs=None if output is None else infer_specs(output),
            params=None if params is None else infer_params(params),
        )

    def enforce(self, data: Any) -> Any:
        """``data`` as the model takes it, converted where nothing is lost.

        Raises:
            SchemaError: it does not fit; names the column, what was expected and what was found.
        """
        if self.inputs is None:
            return data
        from podium.models.enforcement import enforce_inputs

        return enforce_inputs(self.inputs, data)

    def enforce_params(self, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """The params with defaults filled in; unknown ones are dropped with a warning.

        Raises:
            SchemaError: one has another type.
        """
        from podium.models.enforcement import enforce_params

        return enforce_params(self.params, params)

    def to_json(self) -> dict[str, str | None]:
        """The three JSON texts that stand in MLmodel."""
        return {
            "inputs": _dumps(self.inputs),
            "outputs": _dumps(self.outputs),
            "params": _dumps(self.params),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Signature:
        """The signature behind `to_json`.

        Raises:
            Invalid: it does not parse.
        """
        params = _loads(value, "params")
        return cls(
            inputs=_specs(value, "inputs"),
            outputs=_specs(value, "outputs"),
            params=None if params is None else tuple(param_from_json(each) for each in params),
        )

    def __repr__(self) -> str:
        parts = [
            f"{name}: {', '.join(map(_spec_text, specs))}"
            for name, specs in (("inputs", self.inputs), ("outputs", self.outputs), ("params", self.params))
            if specs is not None
        ]
        return f"Signature({'; '.join(parts)})"


def _check_specs(specs: tuple[Spec, ...]) -> None:
    if not specs:
        raise Invalid("a signature cannot list no columns; leave the whole side out.")
    if len({isinstance(each, Tensor) for each in specs}) > 1:
        raise Invalid("a signature cannot mix columns and tensors.")
    if len({each.name is None for each in specs}) > 1:
        raise Invalid("a signature cannot mix named and unnamed columns.")
    if len(specs) > 1 and isinstance(specs[0], Tensor) and specs[0].name is None:
        raise Invalid("several tensors of a signature must all be named.")


def _spec_text(spec: Column | Tensor | Param) -> str:
    if isinstance(spec, Tensor):
        text = f"{spec.dtype}[{', '.join('*' if n < 0 else str(n) for n in spec.shape)}]"
        return text if spec.name is None else f"{spec.name} {text}"
    if isinstance(spec, Param):
        return f"{spec.name} {'list of ' if spec.is_list else ''}{type_text(spec.type)} = {spec.default!r}"
    text = type_text(spec.type) if spec.name is None else f"{spec.name} {type_text(spec.type)}"
    return text if spec.required else f"{text} (optional)"


def _dumps(specs: tuple[Column | Tensor | Param, ...] | None) -> str | None:
    return None if specs is None else json.dumps([each.to_json() for each in specs])


def _loads(value: Mapping[str, Any], key: str) -> list[object] | None:
    text = value.get(key)
    if text is None:
        return None
    if not isinstance(text, str):
        raise Invalid(f"{key} of a signature is JSON in a text, not {type(text).__name__}.")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{key} of a signature is no JSON: {error}.") from error
    if not isinstance(parsed, list):
        raise Invalid(f"{key} of a signature is no list.")
    return parsed


def _specs(value: Mapping[str, Any], key: str) -> tuple[Spec, ...] | None:
    parsed = _loads(value, key)
    return None if parsed is None else tuple(spec_from_json(each) for each in parsed)
