//! Reads from an ONNX file what a session does not tell: how wide the network is.

use crate::wire::{Field, Fields};

/// How much a network holds while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width {
    /// Channels of the widest convolution.
    pub(crate) channels: u64,
    /// Input pixels, in each direction, for each position of the network's inner tensors.
    pub(crate) unshuffle: u64,
}

impl Width {
    /// Of a file that cannot be understood: the common compact networks have 64 channels.
    const TYPICAL: Self = Self { channels: 64, unshuffle: 1 };
    /// Of a graph without convolutions.
    const NONE: Self = Self { channels: 3, unshuffle: 1 };

    /// Reads the weights' dimensions and the first `SpaceToDepth` (numbers of fields: `onnx.proto3`).
    pub(crate) fn of_model(model: &[u8]) -> Self {
        Self::read(model).unwrap_or(Self::TYPICAL)
    }

    fn read(model: &[u8]) -> Option<Self> {
        let mut width = Self::NONE;
        for (field, value) in Fields(Fields(model).find_bytes(7)?) {
            match (field, value) {
                (5, Field::Bytes(tensor)) => width.channels = width.channels.max(channels(tensor)),
                (1, Field::Bytes(node)) if Fields(node).find_bytes(4) == Some(b"SpaceToDepth") => {
                    width.unshuffle = width.unshuffle.max(block_size(node).unwrap_or(1));
                }
                _ => {}
            }
        }
        Some(width)
    }
}

/// The larger channel count of a convolution's weights; 0 for other tensors.
fn channels(tensor: &[u8]) -> u64 {
    let dims = Fields(tensor).all_numbers(1);
    if let [outputs, inputs, _, _] = dims[..] { outputs.max(inputs) } else { 0 }
}

fn block_size(node: &[u8]) -> Option<u64> {
    Fields(node).find_map(|(field, value)| match (field, value) {
        (5, Field::Bytes(attribute)) if Fields(attribute).find_bytes(1) == Some(b"blocksize") => {
            Fields(attribute).find_number(3)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{FLOAT, Graph, Value};

    #[test]
    fn the_widest_convolution_counts() {
        let model = Graph::new("width")
            .constant("bias", FLOAT, &[512], &[])
            .constant("narrow", FLOAT, &[32, 12, 3, 3], &[])
            .constant("wide", FLOAT, &[32, 300, 3, 3], &[])
            .node("SpaceToDepth", &["a"], "b", &[("other", Value::Float(1.0)), ("blocksize", Value::Int(2))])
            .model(13);
        assert_eq!(Width::of_model(&model), Width { channels: 300, unshuffle: 2 });
        assert_eq!(Width::of_model(&Graph::new("empty").model(13)), Width::NONE);
    }

    #[test]
    fn damaged_files_do_no_harm() {
        let model = Graph::new("width").constant("wide", FLOAT, &[32, 300, 3, 3], &[0; 64]).model(13);
        for length in 0..model.len() {
            let _ = Width::of_model(&model[..length]);
        }
        assert_eq!(Width::of_model(b"version https://git-lfs"), Width::TYPICAL);
        assert_eq!(Width::of_model(&[0xff; 100]), Width::TYPICAL);
    }
}
