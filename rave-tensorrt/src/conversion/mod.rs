//! Rewrites the graph of an ONNX file for another floating-point precision. Numbers of fields are those of `onnx.proto3`.

mod graph;
mod operators;
mod tensor;
#[cfg(test)]
mod tests;

use std::io;

use crate::onnx::{FLOAT, FLOAT16};
use crate::wire::{Field, Fields, Message};

/// What a graph is rewritten to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// What is single becomes half precision, but for operators that need single precision and the arithmetic of shapes.
    Half,
    /// What is half becomes single precision.
    Single,
    /// Input and output become half precision, what is between stays single.
    HalfPorts,
}

impl Target {
    /// The element type that is replaced, and by which.
    const fn elements(self) -> (u64, u64) {
        match self {
            Self::Half | Self::HalfPorts => (FLOAT, FLOAT16),
            Self::Single => (FLOAT16, FLOAT),
        }
    }
}

/// Why a graph cannot be rewritten.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It has something that is not understood, in words.
    Unsupported(String),
    /// A file with its tensors cannot be read.
    Unreadable {
        /// The file, as the graph names it.
        location: String,
        source: io::Error,
    },
}

/// Reads a file that the graph keeps tensors in, by the name that the graph gives it.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> io::Result<Vec<u8>>;

/// Whether a model has to be rewritten to become what `target` says.
pub(crate) fn is_needed(model: &[u8], target: Target) -> bool {
    match target {
        Target::Half | Target::HalfPorts => !ports_are(model, FLOAT16),
        Target::Single => graph::has_element(model, FLOAT16),
    }
}

/// Whether input and output have this element type.
pub(crate) fn ports_are(model: &[u8], element: u64) -> bool {
    let Some(graph) = Fields(model).find_bytes(7) else { return false };
    let constants: Vec<_> =
        Fields(graph).all_bytes(5).filter_map(|tensor| Fields(tensor).find_text(8)).collect();
    let inputs = Fields(graph).all_bytes(11);
    let inputs =
        inputs.filter(|port| Fields(port).find_text(1).is_none_or(|name| !constants.contains(&name)));
    inputs.chain(Fields(graph).all_bytes(12)).all(|port| element_of_port(port) == Some(element))
}

/// Rewrites a model. Tensors that lie in files beside it become part of it.
///
/// # Errors
/// [`Failure::Unsupported`] for graphs with control flow, functions or quantised tensors, and what is no graph at all;
/// [`Failure::Unreadable`].
pub(crate) fn convert(model: &[u8], target: Target, read: ReadFile<'_>) -> Result<Vec<u8>, Failure> {
    let damaged = || Failure::Unsupported("it is damaged".into());
    let graph = Fields(model).find_bytes(7).ok_or_else(damaged)?;
    if Fields(model).find_bytes(25).is_some() {
        return Err(Failure::Unsupported("it has functions of its own".into()));
    }
    let graph = graph::rewrite(graph, target, read)?;
    let copy = Fields(model).fold(Message::default(), |copy, (number, field)| match number {
        7 => copy.bytes(7, &graph),
        // Weights need not be inputs from version 4 on.
        1 => copy.int(1, as_number(field).max(4)),
        _ => copy.field(number, field),
    });
    Ok(copy.0)
}

/// Whether an output has a side under the same name as a side of an input: then ONNX Runtime takes both to be of one length,
/// which is not so where pictures grow.
pub(crate) fn ports_share_names(model: &[u8]) -> bool {
    let Some(graph) = Fields(model).find_bytes(7) else { return false };
    let inputs: Vec<_> = Fields(graph).all_bytes(11).flat_map(side_names).collect();
    Fields(graph).all_bytes(12).flat_map(side_names).any(|name| inputs.contains(&name))
}

/// The same model, with sides of outputs and inner tensors that have no names. Tensors that lie in files beside it become
/// part of it.
///
/// # Errors
/// [`Failure::Unsupported`] for what is no graph; [`Failure::Unreadable`].
pub(crate) fn without_side_names(model: &[u8], read: ReadFile<'_>) -> Result<Vec<u8>, Failure> {
    let damaged = || Failure::Unsupported("it is damaged".into());
    let graph = Fields(model).find_bytes(7).ok_or_else(damaged)?;
    let mut copy = Message::default();
    for (number, field) in Fields(graph) {
        copy = match (number, field) {
            (5, Field::Bytes(weight)) => copy.bytes(5, &tensor::with_data(weight, read)?),
            (12, Field::Bytes(port)) => copy.message(12, &port_without_names(port)),
            (13, _) => copy,
            _ => copy.field(number, field),
        };
    }
    let all = Fields(model).fold(Message::default(), |all, (number, field)| match number {
        7 => all.message(7, &copy),
        _ => all.field(number, field),
    });
    Ok(all.0)
}

/// The names of a port's dimensions after the first, which is the batch.
fn side_names(port: &[u8]) -> Vec<&str> {
    let shape = Fields(port).find_bytes(2).and_then(|of_port| Fields(of_port).find_bytes(1));
    let dims = shape.and_then(|tensor| Fields(tensor).find_bytes(2)).unwrap_or_default();
    Fields(dims).all_bytes(1).skip(1).filter_map(|dim| Fields(dim).find_text(2)).collect()
}

fn port_without_names(port: &[u8]) -> Message {
    let nameless = |dim: &[u8]| {
        let rest = Fields(dim).filter(|(number, _)| *number != 2);
        rest.fold(Message::default(), |copy, (number, field)| copy.field(number, field))
    };
    let shape = |shape: &[u8]| replaced(shape, 1, &nameless);
    let tensor = |tensor: &[u8]| replaced(tensor, 2, &shape);
    replaced(port, 2, &|of_port| replaced(of_port, 1, &tensor))
}

/// A message with each inner message of field `number` replaced.
fn replaced(message: &[u8], number: u64, with: &dyn Fn(&[u8]) -> Message) -> Message {
    Fields(message).fold(Message::default(), |copy, (found, field)| match field {
        Field::Bytes(inner) if found == number => copy.message(number, &with(inner)),
        _ => copy.field(found, field),
    })
}

fn as_number(field: Field<'_>) -> u64 {
    if let Field::Number(value) = field { value } else { 0 }
}

/// The element type of an input, an output or an inner tensor (`ValueInfoProto`).
fn element_of_port(port: &[u8]) -> Option<u64> {
    let tensor = Fields(Fields(port).find_bytes(2)?).find_bytes(1)?;
    Fields(tensor).find_number(1)
}

/// The same input or output with another element type.
fn port_with_element(port: &[u8], element: u64) -> Message {
    let tensor = |tensor: &[u8]| {
        let rest = Fields(tensor).filter(|(number, _)| *number != 1);
        rest.fold(Message::default().int(1, element), |copy, (number, field)| copy.field(number, field))
    };
    replaced(port, 2, &|of_port| replaced(of_port, 1, &tensor))
}

/// The name of the first input that is no weight.
pub(crate) fn input_name(model: &[u8]) -> Option<String> {
    let graph = Fields(model).find_bytes(7)?;
    let is_weight =
        |name: &&str| Fields(graph).all_bytes(5).any(|tensor| Fields(tensor).find_text(8) == Some(name));
    let names = Fields(graph).all_bytes(11).filter_map(|port| Fields(port).find_text(1));
    names.into_iter().find(|name| !is_weight(name)).map(ToOwned::to_owned)
}
