//! Constant tensors (`TensorProto`).

use std::borrow::Cow;

use half::f16;

use crate::onnx::{FLOAT, FLOAT16};
use crate::wire::{Field, Fields, Message};

use super::{Failure, ReadFile};

/// Numbers of the fields that hold data or say where it is.
const DATA: [u64; 9] = [4, 5, 6, 7, 9, 10, 11, 13, 14];
const RAW: u64 = 9;

/// The element type.
pub(super) fn element(tensor: &[u8]) -> u64 {
    Fields(tensor).find_number(2).unwrap_or_default()
}

/// The tensor with its data inside, if that lies in a file.
pub(super) fn with_data<'a>(tensor: &'a [u8], read: ReadFile<'_>) -> Result<Cow<'a, [u8]>, Failure> {
    if Fields(tensor).find_number(14) != Some(1) {
        return Ok(Cow::Borrowed(tensor));
    }
    let entry = |key: &str| {
        let entries = Fields(tensor).all_bytes(13);
        entries
            .into_iter()
            .find(|entry| Fields(entry).find_text(1) == Some(key))
            .and_then(|entry| Fields(entry).find_text(2))
    };
    let location = entry("location").unwrap_or_default().to_owned();
    let number = |key: &str| entry(key).and_then(|text| text.parse::<usize>().ok());
    let part = |bytes: Vec<u8>| {
        let start = number("offset").unwrap_or(0);
        let end = number("length").map_or(bytes.len(), |length| start.saturating_add(length));
        let part = bytes.get(start..end).map(<[u8]>::to_vec);
        part.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    };
    let data = read(&location).and_then(part).map_err(|source| Failure::Unreadable { location, source })?;
    Ok(Cow::Owned(without_data(tensor).bytes(RAW, &data).0))
}

/// The tensor under another name.
pub(super) fn renamed(tensor: &[u8], name: &str) -> Message {
    let rest = Fields(tensor).filter(|(number, _)| *number != 8);
    rest.fold(Message::default(), |copy, (number, field)| copy.field(number, field)).text(8, name)
}

/// The tensor in another of the two floating-point types. Values that half precision does not hold become the largest
/// that it does.
pub(super) fn converted(tensor: &[u8], to: u64) -> Message {
    let values = values(tensor);
    let data: Vec<u8> = match to {
        FLOAT16 => values.iter().flat_map(|&value| to_half(value).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    };
    let kept = Fields(&without_data(tensor).0)
        .filter(|(number, _)| *number != 2)
        .fold(Message::default(), |copy, (number, field)| copy.field(number, field));
    kept.int(2, to).bytes(RAW, &data)
}

/// A tensor of single-precision numbers: a list, or of no dimension.
pub(super) fn of_floats(dims: &[i64], values: &[f32]) -> Message {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Message::default().packed(1, dims).int(2, FLOAT).bytes(RAW, &data)
}

fn to_half(value: f32) -> f16 {
    let half = f16::from_f32(value);
    match half.is_infinite() && value.is_finite() {
        true => f16::MAX.copysign(half),
        false => half,
    }
}

fn without_data(tensor: &[u8]) -> Message {
    let kept = Fields(tensor).filter(|(number, _)| !DATA.contains(number));
    kept.fold(Message::default(), |copy, (number, field)| copy.field(number, field))
}

/// The values of a tensor of single or half precision, wherever it holds them.
fn values(tensor: &[u8]) -> Vec<f32> {
    let is_half = element(tensor) == FLOAT16;
    match (Fields(tensor).find_bytes(RAW), is_half) {
        (Some(raw), true) => {
            raw.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
        }
        (Some(raw), false) => raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        (None, true) => {
            Fields(tensor).all_numbers(5).iter().map(|&bits| f16::from_bits(bits as u16).to_f32()).collect()
        }
        (None, false) => all_floats(tensor, 4),
    }
}

/// All numbers of a repeated single-precision field, packed or not.
pub(super) fn all_floats(message: &[u8], field: u64) -> Vec<f32> {
    let mut values = Vec::new();
    for (number, value) in Fields(message) {
        match value {
            Field::Fixed32(bytes) if number == field => values.push(f32::from_le_bytes(bytes)),
            Field::Bytes(packed) if number == field => {
                values.extend(packed.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            _ => {}
        }
    }
    values
}
