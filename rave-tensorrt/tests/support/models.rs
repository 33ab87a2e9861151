//! ONNX models for tests and benchmarks, written by code.

use rave_tensorrt::onnx::{Dim, FLOAT, FLOAT16, Graph, INT64, UINT8, Value, floats};

const RGB: [Dim; 4] = [Dim::Any("batch"), Dim::Fixed(3), Dim::Any("height"), Dim::Any("width")];
const LUMA: [Dim; 4] = [Dim::Any("batch"), Dim::Fixed(1), Dim::Any("height"), Dim::Any("width")];
const LARGE_RGB: [Dim; 4] = [Dim::Any("batch"), Dim::Fixed(3), Dim::Any("rows"), Dim::Any("columns")];
const LARGE_LUMA: [Dim; 4] = [Dim::Any("batch"), Dim::Fixed(1), Dim::Any("rows"), Dim::Any("columns")];
const NEAREST: [(&str, Value<'static>); 3] = [
    ("mode", Value::Text("nearest")),
    ("coordinate_transformation_mode", Value::Text("asymmetric")),
    ("nearest_mode", Value::Text("floor")),
];

/// Every model by its file name.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("bench-unshuffle2-4x32.onnx", unshuffle_network(32, 4)),
        ("nearest-rgb-x1.onnx", nearest(1)),
        ("nearest-rgb-x2.onnx", nearest(2)),
        ("nearest-rgb-x3.onnx", nearest(3)),
        ("nearest-rgb-x4.onnx", nearest(4)),
        ("nearest-rgb-f16-x2.onnx", nearest_of(FLOAT16, &RGB, &LARGE_RGB, [2.0, 2.0])),
        ("nearest-luma-x2.onnx", nearest_of(FLOAT, &LUMA, &LARGE_LUMA, [2.0, 2.0])),
        ("nearest-luma-f16-x2.onnx", nearest_of(FLOAT16, &LUMA, &LARGE_LUMA, [2.0, 2.0])),
        ("nearest-nhwc-x2.onnx", nhwc()),
        ("nearest-all-dims-free-x2.onnx", nearest_of(FLOAT, &ALL_FREE, &ALL_FREE, [2.0, 2.0])),
        ("nearest-fixed-64x48-x2.onnx", fixed(64, 48)),
        ("shift-multiple-4-x2.onnx", shift(4)),
        ("shift-multiple-3-x2.onnx", shift(3)),
        ("weights-as-input-x2.onnx", weights_as_input()),
        ("shape-arithmetic-x2.onnx", shape_arithmetic()),
        ("needs-single-x1.onnx", needs_single()),
        ("constants-x1.onnx", constants()),
        ("overflow-x2.onnx", overflow()),
        ("refused-classifier.onnx", classifier()),
        ("refused-two-inputs.onnx", two_inputs()),
        ("refused-2x-by-4x.onnx", nearest_of(FLOAT, &RGB, &LARGE_RGB, [4.0, 2.0])),
        ("refused-8x.onnx", nearest_of(FLOAT, &RGB, &LARGE_RGB, [8.0, 8.0])),
        ("refused-half.onnx", nearest_of(FLOAT, &RGB, &LARGE_RGB, [0.5, 0.5])),
        ("refused-uint8.onnx", nearest_of(UINT8, &RGB, &LARGE_RGB, [2.0, 2.0])),
        (
            "refused-four-channels.onnx",
            with_dims([Dim::Any("n"), Dim::Fixed(4), Dim::Any("h"), Dim::Any("w")]),
        ),
        ("refused-batch-of-4.onnx", with_dims([Dim::Fixed(4), Dim::Fixed(3), Dim::Any("h"), Dim::Any("w")])),
        (
            "refused-only-width-fixed.onnx",
            with_dims([Dim::Fixed(1), Dim::Fixed(3), Dim::Any("h"), Dim::Fixed(64)]),
        ),
        ("refused-vector.onnx", vector()),
    ]
}

const ALL_FREE: [Dim; 4] = [Dim::Any("a"), Dim::Any("b"), Dim::Any("c"), Dim::Any("d")];

/// RGB, each pixel repeated.
pub fn nearest(scale: u32) -> Vec<u8> {
    nearest_of(FLOAT, &RGB, &LARGE_RGB, [scale as f32, scale as f32])
}

/// Each pixel repeated, `[rows, columns]` times.
fn nearest_of(element: u64, shape: &[Dim], output: &[Dim], scales: [f32; 2]) -> Vec<u8> {
    Graph::new("nearest")
        .input("picture", element, shape)
        .output("larger", element, output)
        .constant("scales", FLOAT, &[4], &floats(&[1.0, 1.0, scales[0], scales[1]]))
        .node("Resize", &["picture", "", "scales"], "larger", &NEAREST)
        .model(13)
}

fn with_dims(shape: [Dim; 4]) -> Vec<u8> {
    nearest_of(FLOAT, &shape, &ALL_FREE, [2.0, 2.0])
}

/// RGB, each pixel repeated twice, for pictures of one size only.
pub fn fixed(width: u64, height: u64) -> Vec<u8> {
    let of = |scale| [Dim::Fixed(1), Dim::Fixed(3), Dim::Fixed(height * scale), Dim::Fixed(width * scale)];
    nearest_of(FLOAT, &of(1), &of(2), [2.0, 2.0])
}

fn nhwc() -> Vec<u8> {
    let shape = [Dim::Any("batch"), Dim::Any("height"), Dim::Any("width"), Dim::Fixed(3)];
    let large = [Dim::Any("batch"), Dim::Any("rows"), Dim::Any("columns"), Dim::Fixed(3)];
    Graph::new("nhwc")
        .input("picture", FLOAT, &shape)
        .output("larger", FLOAT, &large)
        .constant("scales", FLOAT, &[4], &floats(&[1.0, 1.0, 2.0, 2.0]))
        .node("Transpose", &["picture"], "planes", &[("perm", Value::Ints(&[0, 3, 1, 2]))])
        .node("Resize", &["planes", "", "scales"], "larger_planes", &NEAREST)
        .node("Transpose", &["larger_planes"], "larger", &[("perm", Value::Ints(&[0, 2, 3, 1]))])
        .model(13)
}

/// Needs sides that are multiples of `block`; each pixel becomes the one two to the right and one below, then is repeated
/// twice. So the last columns and rows show what the picture was padded with.
fn shift(block: i64) -> Vec<u8> {
    let mut kernel = vec![0.0; 3 * 3 * 5 * 5];
    for channel in 0..3 {
        kernel[(channel * 3 + channel) * 25 + 3 * 5 + 4] = 1.0;
    }
    let block = [("blocksize", Value::Int(block))];
    Graph::new("shift")
        .input("picture", FLOAT, &RGB)
        .output("larger", FLOAT, &LARGE_RGB)
        .constant("kernel", FLOAT, &[3, 3, 5, 5], &floats(&kernel))
        .constant("scales", FLOAT, &[4], &floats(&[1.0, 1.0, 2.0, 2.0]))
        .node("SpaceToDepth", &["picture"], "blocks", &block)
        .node("DepthToSpace", &["blocks"], "same", &block)
        .node("Conv", &["same", "kernel"], "shifted", &[("pads", Value::Ints(&[2; 4]))])
        .node("Resize", &["shifted", "", "scales"], "larger", &NEAREST)
        .model(13)
}

/// The old habit of listing weights among the inputs.
fn weights_as_input() -> Vec<u8> {
    Graph::new("weights as input")
        .input("picture", FLOAT, &RGB)
        .input("scales", FLOAT, &[Dim::Fixed(4)])
        .output("larger", FLOAT, &LARGE_RGB)
        .constant("scales", FLOAT, &[4], &floats(&[1.0, 1.0, 2.0, 2.0]))
        .node("Resize", &["picture", "", "scales"], "larger", &NEAREST)
        .model(13)
}

fn classifier() -> Vec<u8> {
    Graph::new("classifier")
        .input("picture", FLOAT, &RGB)
        .output("scores", FLOAT, &[Dim::Any("batch"), Dim::Fixed(3)])
        .node("GlobalAveragePool", &["picture"], "mean", &[])
        .node("Flatten", &["mean"], "scores", &[])
        .model(13)
}

fn two_inputs() -> Vec<u8> {
    Graph::new("two inputs")
        .input("now", FLOAT, &RGB)
        .input("before", FLOAT, &RGB)
        .output("sum", FLOAT, &RGB)
        .node("Add", &["now", "before"], "sum", &[])
        .model(13)
}

fn vector() -> Vec<u8> {
    Graph::new("vector")
        .input("numbers", FLOAT, &[Dim::Fixed(1), Dim::Fixed(10)])
        .output("same", FLOAT, &[Dim::Fixed(1), Dim::Fixed(10)])
        .node("Identity", &["numbers"], "same", &[])
        .model(13)
}

/// A model whose only weight lies in the file `location` beside it, and that file: one 1x1 convolution that doubles RGB.
pub fn external(location: &str) -> (Vec<u8>, Vec<u8>) {
    let mut kernel = vec![0.0; 9];
    (0..3).for_each(|channel| kernel[channel * 4] = 2.0);
    let model = Graph::new("external")
        .input("picture", FLOAT, &RGB)
        .output("brighter", FLOAT, &LARGE_RGB)
        .external_constant("kernel", FLOAT, &[3, 3, 1, 1], location)
        .node("Conv", &["picture", "kernel"], "brighter", &[])
        .model(13);
    (model, floats(&kernel))
}

/// RGB, each pixel repeated twice; the new size is computed from that of the input, in single precision, by numbers which
/// half precision does not hold.
fn shape_arithmetic() -> Vec<u8> {
    Graph::new("shape arithmetic")
        .input("picture", FLOAT, &RGB)
        .output("larger", FLOAT, &LARGE_RGB)
        .constant("factors", FLOAT, &[4], &floats(&[1.0, 1.0, 2.0, 2.0]))
        .constant("many", FLOAT, &[1], &floats(&[4099.0]))
        .node("Shape", &["picture"], "shape", &[])
        .node("Cast", &["shape"], "sides", &[("to", Value::Int(FLOAT as i64))])
        .node("Mul", &["sides", "factors"], "enlarged", &[])
        .node("Add", &["enlarged", "many"], "more", &[])
        .node("Sub", &["more", "many"], "same", &[])
        .node("Cast", &["same"], "sizes", &[("to", Value::Int(INT64 as i64))])
        .node("Resize", &["picture", "", "", "sizes"], "larger", &NEAREST)
        .model(13)
}

/// RGB as it is, by way of a mean over all pixels of large values, a root and a power.
fn needs_single() -> Vec<u8> {
    Graph::new("needs single")
        .input("picture", FLOAT, &RGB)
        .output("same", FLOAT, &RGB)
        .constant("large", FLOAT, &[1], &floats(&[60_000.0]))
        .constant("two", FLOAT, &[1], &floats(&[2.0]))
        .constant("third", FLOAT, &[1], &floats(&[0.25]))
        .node("Mul", &["picture", "large"], "bright", &[])
        .node(
            "ReduceMean",
            &["bright"],
            "mean",
            &[("axes", Value::Ints(&[2, 3])), ("keepdims", Value::Int(1))],
        )
        .node("Pow", &["mean", "two"], "square", &[])
        .node("Sqrt", &["square"], "root", &[])
        .node("Div", &["root", "large"], "level", &[])
        .node("Sub", &["picture", "level"], "around", &[])
        .node("Add", &["around", "third"], "same", &[])
        .model(13)
}

/// RGB, doubled and halved by constants that are nodes.
fn constants() -> Vec<u8> {
    Graph::new("constants")
        .input("picture", FLOAT, &RGB)
        .output("same", FLOAT, &RGB)
        .node("Constant", &[], "two", &[("value_float", Value::Float(2.0))])
        .node("Constant", &[], "half", &[("value_float", Value::Float(0.5))])
        .node("Mul", &["picture", "two"], "double", &[])
        .node("Mul", &["double", "half"], "same", &[])
        .model(13)
}

/// RGB, each pixel repeated twice, by way of values that half precision does not hold where a pixel is above 1.09.
fn overflow() -> Vec<u8> {
    Graph::new("overflow")
        .input("picture", FLOAT, &RGB)
        .output("larger", FLOAT, &LARGE_RGB)
        .constant("scales", FLOAT, &[4], &floats(&[1.0, 1.0, 2.0, 2.0]))
        .constant("large", FLOAT, &[1], &floats(&[60_000.0]))
        .node("Mul", &["picture", "large"], "bright", &[])
        .node("Resize", &["bright", "", "scales"], "brighter", &NEAREST)
        .node("Div", &["brighter", "large"], "larger", &[])
        .model(13)
}

/// RGB, multiplied and divided by a number that half precision does not hold for a pixel above 1.09, with what lies in
/// between mirrored twice: the CPU does that in half precision.
pub fn overflow_in_between() -> Vec<u8> {
    Graph::new("overflow in between")
        .input("picture", FLOAT, &RGB)
        .output("same", FLOAT, &RGB)
        .constant("large", FLOAT, &[1], &floats(&[60_000.0]))
        .constant("last", INT64, &[1], &(-1_i64).to_le_bytes())
        .constant("before_first", INT64, &[1], &i64::MIN.to_le_bytes())
        .constant("axis", INT64, &[1], &3_i64.to_le_bytes())
        .node("Mul", &["picture", "large"], "bright", &[])
        .node("Slice", &["bright", "last", "before_first", "axis", "last"], "mirrored", &[])
        .node("Slice", &["mirrored", "last", "before_first", "axis", "last"], "back", &[])
        .node("Div", &["back", "large"], "same", &[])
        .model(13)
}

/// RGB for any number of pictures that are not independent: the mean of all is taken off.
pub fn mixing() -> Vec<u8> {
    Graph::new("mixing")
        .input("picture", FLOAT, &RGB)
        .output("around", FLOAT, &RGB)
        .node("ReduceMean", &["picture"], "mean", &[("keepdims", Value::Int(1))])
        .node("Sub", &["picture", "mean"], "around", &[])
        .model(13)
}

/// A choice between two graphs, as far as it takes to be refused.
pub fn control_flow() -> Vec<u8> {
    let inner = Graph::new("inner");
    Graph::new("control flow")
        .input("picture", FLOAT, &RGB)
        .output("same", FLOAT, &RGB)
        .node("If", &["condition"], "same", &[("then_branch", Value::Graph(&inner))])
        .model(13)
}

/// A valid graph with an operation that ONNX Runtime does not have for its type.
pub fn not_implemented() -> Vec<u8> {
    Graph::new("not implemented")
        .input("picture", INT64, &RGB)
        .output("same", INT64, &RGB)
        .node("Relu", &["picture"], "same", &[])
        .model(14)
}

/// The network of the project's benchmarks: pixel-unshuffle by 2, `layers` convolutions of 3x3 with `channels` channels
/// between them and ReLU after all but the last, pixel-shuffle by 4. RGB, x2.
///
/// The weights are random, small, and always the same, on top of what makes it repeat each pixel: the output looks
/// like a picture, which an encoder needs.
pub fn unshuffle_network(channels: usize, layers: usize) -> Vec<u8> {
    let mut random = Random(1);
    let mut graph = Graph::new("unshuffle network")
        .input("input", FLOAT, &RGB)
        .output("output", FLOAT, &LARGE_RGB)
        .node("SpaceToDepth", &["input"], "features0", &[("blocksize", Value::Int(2))]);
    for layer in 0..layers {
        let inputs = if layer == 0 { 12 } else { channels };
        let is_last = layer == layers - 1;
        let outputs = if is_last { 48 } else { channels };
        let source_of = |output: usize| if is_last { pixel_of_shuffled(output) } else { output };
        let weights = random.near_copy(inputs, outputs, source_of);
        let bias = random.numbers(outputs, 0.001);
        let (from, to) = (format!("features{layer}"), format!("features{}", layer + 1));
        let [kernel, offset, sum] = ["kernel", "bias", "sum"].map(|name| format!("{name}{layer}"));
        graph = graph
            .constant(&kernel, FLOAT, &[outputs as i64, inputs as i64, 3, 3], &floats(&weights))
            .constant(&offset, FLOAT, &[outputs as i64], &floats(&bias));
        let convolved = if is_last { &to } else { &sum };
        let pads = [("pads", Value::Ints(&[1; 4]))];
        graph = graph.node("Conv", &[&from, &kernel, &offset], convolved, &pads);
        if !is_last {
            graph = graph.node("Relu", &[&sum], &to, &[]);
        }
    }
    let last = format!("features{layers}");
    graph.node("DepthToSpace", &[&last], "output", &[("blocksize", Value::Int(4))]).model(13)
}

/// The channel after pixel-unshuffle by 2 that holds the pixel for a channel before pixel-shuffle by 4.
fn pixel_of_shuffled(channel: usize) -> usize {
    let (block, color) = (channel / 3, channel % 3);
    let (row, column) = (block / 4 / 2, block % 4 / 2);
    (row * 2 + column) * 3 + color
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn numbers(&mut self, count: usize, amplitude: f32) -> Vec<f32> {
        (0..count).map(|_| self.number() * amplitude).collect()
    }

    /// Between -1 and 1.
    fn number(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ bits >> 31) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// A 3x3 kernel with small random weights that else copies input `source_of(output)` to each output.
    fn near_copy(&mut self, inputs: usize, outputs: usize, source_of: impl Fn(usize) -> usize) -> Vec<f32> {
        let mut weights = self.numbers(outputs * inputs * 9, 0.002);
        for output in 0..outputs {
            let input = source_of(output);
            if input < inputs {
                weights[(output * inputs + input) * 9 + 4] += 1.0;
            }
        }
        weights
    }
}
