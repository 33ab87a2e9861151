use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use crate::onnx::{Dim, FLOAT, Graph, Value, floats};

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelSource {
    /// An ONNX file; tensors that it keeps in files beside it are found.
    File(PathBuf),
    /// A model that is part of the program.
    BuiltIn(BuiltIn),
}

impl ModelSource {
    /// The built-in model's name, or the file's without its extension.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            Self::BuiltIn(model) => model.name.to_owned(),
        }
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::BuiltIn(model) => write!(f, "{} (built in)", model.name),
        }
    }
}

/// A model that is part of the program.
#[derive(Clone, Copy)]
pub struct BuiltIn {
    name: &'static str,
    description: &'static str,
    scale: u32,
    bytes: Bytes,
}

#[derive(Clone, Copy)]
enum Bytes {
    Embedded(&'static [u8]),
    Written(fn() -> Vec<u8>),
}

/// A trained model from the folder `models`.
macro_rules! trained {
    ($name:literal, x $scale:literal, $description:literal) => {
        BuiltIn {
            name: $name,
            description: $description,
            scale: $scale,
            bytes: Bytes::Embedded(include_bytes!(concat!("../models/", $name, ".onnx"))),
        }
    };
}

static BUILT_IN: &[BuiltIn] = &[
    trained!("rave-fast-x2", x 2, "small network on luma, for the CPU"),
    trained!("rave-x2", x 2, "network on RGB, half precision, for the GPU"),
    trained!("rave-video-x2", x 2, "like rave-x2, for compressed video: removes its artefacts"),
    trained!("rave-x4", x 4, "network on RGB, half precision, for the GPU"),
    BuiltIn {
        name: "resize-cubic-x2",
        description: "bicubic interpolation, no network: a single Resize node",
        scale: 2,
        bytes: Bytes::Written(resize_cubic_x2),
    },
];

/// Every model that is part of the program; the first of a scale is its default.
pub fn built_in_models() -> &'static [BuiltIn] {
    BUILT_IN
}

impl BuiltIn {
    /// The model with this name.
    pub fn find(name: &str) -> Option<BuiltIn> {
        BUILT_IN.iter().copied().find(|model| model.name == name)
    }

    /// The default model for a scale factor.
    pub fn default_for(scale: u32) -> Option<BuiltIn> {
        BUILT_IN.iter().copied().find(|model| model.scale == scale)
    }

    /// The stable name, as `-m` takes it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the model is, in half a line.
    pub const fn description(&self) -> &'static str {
        self.description
    }

    /// Factor by which width and height grow.
    pub const fn scale(&self) -> u32 {
        self.scale
    }

    /// The ONNX file.
    pub fn bytes(&self) -> Cow<'static, [u8]> {
        match self.bytes {
            Bytes::Embedded(bytes) => Cow::Borrowed(bytes),
            Bytes::Written(write) => Cow::Owned(write()),
        }
    }
}

impl PartialEq for BuiltIn {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuiltIn({})", self.name)
    }
}

/// Bicubic x2 with the kernel of Keys, a = -0.5 (Catmull-Rom): pixel centres at halves, edges clamped.
fn resize_cubic_x2() -> Vec<u8> {
    let picture = [Dim::Any("batch"), Dim::Fixed(3), Dim::Any("height"), Dim::Any("width")];
    let larger = [Dim::Any("batch"), Dim::Fixed(3), Dim::Any("height2"), Dim::Any("width2")];
    let attributes = [
        ("mode", Value::Text("cubic")),
        ("cubic_coeff_a", Value::Float(-0.5)),
        ("coordinate_transformation_mode", Value::Text("half_pixel")),
    ];
    Graph::new("resize-cubic-x2")
        .input("input", FLOAT, &picture)
        .output("output", FLOAT, &larger)
        .constant("scales", FLOAT, &[4], &floats(&[1.0, 1.0, 2.0, 2.0]))
        .node("Resize", &["input", "", "scales"], "output", &attributes)
        .model(13)
}
