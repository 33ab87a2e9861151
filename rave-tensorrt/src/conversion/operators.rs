//! What is known about operators: which need single precision, and what their outputs are made of.

use crate::onnx::{FLOAT, INT64, UINT8};
use crate::wire::Fields;

use super::tensor;

const BOOL: u64 = 9;

/// An operation of the graph (`NodeProto`).
#[derive(Clone, Copy)]
pub(super) struct Node<'a>(pub(super) &'a [u8]);

impl<'a> Node<'a> {
    pub(super) fn operator(self) -> &'a str {
        Fields(self.0).find_text(4).unwrap_or_default()
    }

    pub(super) fn inputs(self) -> impl Iterator<Item = &'a str> {
        Fields(self.0).all_bytes(1).map(|name| str::from_utf8(name).unwrap_or_default())
    }

    pub(super) fn outputs(self) -> impl Iterator<Item = &'a str> {
        Fields(self.0).all_bytes(2).map(|name| str::from_utf8(name).unwrap_or_default())
    }

    pub(super) fn attributes(self) -> impl Iterator<Item = &'a [u8]> {
        Fields(self.0).all_bytes(5)
    }

    pub(super) fn attribute(self, name: &str) -> Option<&'a [u8]> {
        self.attributes().find(|attribute| Fields(attribute).find_text(1) == Some(name))
    }

    fn number(self, attribute: &str) -> Option<u64> {
        Fields(self.attribute(attribute)?).find_number(3)
    }

    /// Whether it is computed in single precision when all else becomes half: sums over many values, what takes the
    /// square root of small or the power of large ones, and what takes coordinates.
    pub(super) fn needs_single(self) -> bool {
        let operator = self.operator();
        operator.starts_with("Reduce")
            || operator.ends_with("Normalization") && operator != "BatchNormalization"
            || matches!(
                operator,
                "Pow"
                    | "Sqrt"
                    | "Exp"
                    | "Log"
                    | "Reciprocal"
                    | "CumSum"
                    | "Range"
                    | "ConstantOfShape"
                    | "GridSample"
                    | "AffineGrid"
                    | "RoiAlign"
                    | "NonMaxSuppression"
                    | "RandomNormal"
                    | "RandomUniform"
                    | "RandomNormalLike"
                    | "RandomUniformLike"
            )
    }

    /// Whether its input `index` is single precision whatever the others are.
    pub(super) fn input_is_single(self, index: usize) -> bool {
        matches!((self.operator(), index), ("Resize", 2) | ("Upsample", 1))
    }

    /// Whether it tells the size of a tensor.
    pub(super) fn is_of_shape(self) -> bool {
        matches!(self.operator(), "Shape" | "Size")
    }

    pub(super) fn is_quantized(self) -> bool {
        let operator = self.operator();
        operator.contains("QuantizeLinear")
            || operator.starts_with("QLinear")
            || operator.ends_with("Integer")
    }

    /// The element type of output `index`, where `input` gives those of the inputs.
    pub(super) fn output_element(self, index: usize, input: impl Fn(usize) -> Option<u64>) -> Option<u64> {
        match (self.operator(), index) {
            ("Shape" | "Size" | "NonZero" | "ArgMax" | "ArgMin" | "NonMaxSuppression", _) => Some(INT64),
            ("TopK" | "MaxPool", 1) => Some(INT64),
            ("Dropout", 1) => Some(BOOL),
            (
                "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "Not" | "And" | "Or"
                | "Xor",
                _,
            ) => Some(BOOL),
            ("IsNaN" | "IsInf", _) => Some(BOOL),
            ("Cast", _) => self.number("to"),
            ("Where" | "CastLike", _) => input(1),
            ("ConstantOfShape", _) => {
                let value = self.attribute("value").and_then(|value| Fields(value).find_bytes(5));
                Some(value.map_or(FLOAT, tensor::element))
            }
            ("RandomNormal" | "RandomUniform", _) => Some(self.number("dtype").unwrap_or(FLOAT)),
            ("RandomNormalLike" | "RandomUniformLike", _) => self.number("dtype").or_else(|| input(0)),
            ("QuantizeLinear", _) => Some(input(2).unwrap_or(UINT8)),
            _ => input(0),
        }
    }
}
