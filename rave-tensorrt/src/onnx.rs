//! Writes ONNX models: as much of `onnx.proto3` as the built-in model and the models of tests and benchmarks need.

use crate::wire::Message;

/// Element types (`TensorProto.DataType`).
pub const FLOAT: u64 = 1;
/// Unsigned bytes.
pub const UINT8: u64 = 2;
/// 64-bit integers.
pub const INT64: u64 = 7;
/// Half precision.
pub const FLOAT16: u64 = 10;

/// A dimension of an input or output.
#[derive(Clone, Copy, Debug)]
pub enum Dim {
    /// Always this long.
    Fixed(u64),
    /// Of any length, under a name.
    Any(&'static str),
}

/// An attribute's value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A real number.
    Float(f32),
    /// An integer.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// A list of integers.
    Ints(&'a [i64]),
    /// A graph inside of the graph.
    Graph(&'a Graph),
}

/// A graph being written. Its nodes must be added in the order of computation.
#[derive(Clone, Debug)]
pub struct Graph(Message);

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self(Message::default().text(2, name))
    }

    /// Adds an input.
    #[must_use]
    pub fn input(self, name: &str, element: u64, shape: &[Dim]) -> Self {
        Self(self.0.message(11, &value_info(name, element, shape)))
    }

    /// Adds an output.
    #[must_use]
    pub fn output(self, name: &str, element: u64, shape: &[Dim]) -> Self {
        Self(self.0.message(12, &value_info(name, element, shape)))
    }

    /// Adds a constant tensor, as little-endian bytes.
    #[must_use]
    pub fn constant(self, name: &str, element: u64, dims: &[i64], data: &[u8]) -> Self {
        Self(self.0.message(5, &tensor(name, element, dims).bytes(9, data)))
    }

    /// Adds a constant tensor whose bytes are the whole of the file `location`, beside the model.
    #[must_use]
    pub fn external_constant(self, name: &str, element: u64, dims: &[i64], location: &str) -> Self {
        let entry = Message::default().text(1, "location").text(2, location);
        Self(self.0.message(5, &tensor(name, element, dims).message(13, &entry).int(14, 1)))
    }

    /// Adds an operation with one output.
    #[must_use]
    pub fn node(
        self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Value<'_>)],
    ) -> Self {
        let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
        let node = node.text(2, output).text(3, output).text(4, operator);
        let node =
            attributes.iter().fold(node, |node, (name, value)| node.message(5, &attribute(name, *value)));
        Self(self.0.message(1, &node))
    }

    /// The model file's bytes, for operator set `opset`.
    pub fn model(&self, opset: u64) -> Vec<u8> {
        let operators = Message::default().text(1, "").int(2, opset);
        let model = Message::default().int(1, 8).text(2, "rave").message(8, &operators).message(7, &self.0);
        model.0
    }
}

/// The bytes of a constant of single-precision numbers.
pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn tensor(name: &str, element: u64, dims: &[i64]) -> Message {
    Message::default().packed(1, dims).int(2, element).text(8, name)
}

fn value_info(name: &str, element: u64, shape: &[Dim]) -> Message {
    let dims = shape.iter().fold(Message::default(), |dims, dim| {
        let dim = match dim {
            Dim::Fixed(length) => Message::default().int(1, *length),
            Dim::Any(name) => Message::default().text(2, name),
        };
        dims.message(1, &dim)
    });
    let tensor = Message::default().int(1, element).message(2, &dims);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

/// The numbers in the last field are `AttributeProto.AttributeType`.
fn attribute(name: &str, value: Value<'_>) -> Message {
    let attribute = Message::default().text(1, name);
    match value {
        Value::Float(value) => attribute.float(2, value).int(20, 1),
        Value::Int(value) => attribute.int(3, value as u64).int(20, 2),
        Value::Text(text) => attribute.text(4, text).int(20, 3),
        Value::Ints(values) => attribute.packed(8, values).int(20, 7),
        Value::Graph(graph) => attribute.message(6, &graph.0).int(20, 5),
    }
}
