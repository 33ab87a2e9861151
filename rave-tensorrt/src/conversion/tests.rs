use super::*;
use crate::onnx::{Dim, Graph, INT64, Value, floats};

const PICTURE: [Dim; 4] = [Dim::Any("n"), Dim::Fixed(3), Dim::Any("h"), Dim::Any("w")];

fn half(graph: &Graph) -> Vec<u8> {
    convert(&graph.model(13), Target::Half, &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap()
}

fn graph_of(model: &[u8]) -> &[u8] {
    Fields(model).find_bytes(7).unwrap()
}

/// The element types of the constants by their names.
fn constants(model: &[u8]) -> Vec<(String, u64)> {
    let tensors = Fields(graph_of(model)).all_bytes(5);
    let mut all: Vec<_> = tensors
        .map(|tensor| (Fields(tensor).find_text(8).unwrap().to_owned(), tensor::element(tensor)))
        .collect();
    all.sort();
    all
}

/// `Operator(inputs) outputs` of every node.
fn nodes(model: &[u8]) -> Vec<String> {
    let nodes = Fields(graph_of(model)).all_bytes(1).map(operators::Node);
    nodes
        .map(|node| {
            let (inputs, outputs): (Vec<_>, Vec<_>) = (node.inputs().collect(), node.outputs().collect());
            format!("{}({}) {}", node.operator(), inputs.join(", "), outputs.join(", "))
        })
        .collect()
}

fn resize() -> Graph {
    Graph::new("resize")
        .input("in", FLOAT, &PICTURE)
        .output("out", FLOAT, &PICTURE)
        .constant("scales", FLOAT, &[4], &floats(&[1.0, 1.0, 2.0, 2.0]))
        .constant("kernel", FLOAT, &[3, 3, 1, 1], &floats(&[1e9, -1e9, 1.0, 0.0, 0.5, 0.25, 1.0, 1.0, 1.0]))
        .node("Conv", &["in", "kernel"], "convolved", &[])
        .node("Resize", &["convolved", "", "scales"], "out", &[])
}

#[test]
fn weights_and_ports_become_half_and_scales_stay_single() {
    let model = half(&resize());
    assert_eq!(constants(&model), [("kernel".to_owned(), FLOAT16), ("scales".to_owned(), FLOAT)]);
    assert_eq!(nodes(&model), ["Conv(in, kernel) convolved", "Resize(convolved, , scales) out"]);
    assert!(ports_are(&model, FLOAT16) && !ports_are(&model, FLOAT));
    assert!(!is_needed(&model, Target::Half) && is_needed(&model, Target::Single));
}

#[test]
fn weights_beyond_half_precision_become_its_largest_values() {
    let model = half(&resize());
    let kernel =
        Fields(graph_of(&model)).all_bytes(5).find(|tensor| tensor::element(tensor) == FLOAT16).unwrap();
    let single = tensor::converted(kernel, FLOAT);
    let values: Vec<_> = Fields(&single.0)
        .find_bytes(9)
        .unwrap()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    assert_eq!(values[..4], [65504.0, -65504.0, 1.0, 0.0]);
}

#[test]
fn an_operator_that_needs_single_precision_stands_between_casts() {
    let graph = Graph::new("normalise")
        .input("in", FLOAT, &PICTURE)
        .output("out", FLOAT, &PICTURE)
        .constant("weight", FLOAT, &[3], &floats(&[1.0; 3]))
        .node("Relu", &["in"], "positive", &[])
        .node("InstanceNormalization", &["positive", "weight", "weight"], "normal", &[])
        .node("Mul", &["normal", "positive"], "product", &[])
        .node("Sqrt", &["product"], "out", &[]);
    let model = half(&graph);
    assert_eq!(
        nodes(&model),
        [
            "Relu(in) positive",
            "Cast(positive) positive/single",
            "InstanceNormalization(positive/single, weight, weight) normal",
            "Cast(normal) normal/half",
            "Mul(normal/half, positive) product",
            "Cast(product) product/single",
            "Sqrt(product/single) out/single",
            "Cast(out/single) out",
        ]
    );
    assert_eq!(constants(&model), [("weight".to_owned(), FLOAT)]);
}

#[test]
fn arithmetic_of_sizes_stays_single() {
    let graph = Graph::new("sizes")
        .input("in", FLOAT, &PICTURE)
        .output("out", FLOAT, &PICTURE)
        .constant("two", FLOAT, &[1], &floats(&[2.0]))
        .constant("axis", INT64, &[1], &2_i64.to_le_bytes())
        .node("Shape", &["in"], "shape", &[])
        .node("Gather", &["shape", "axis"], "height", &[])
        .node("Cast", &["height"], "single", &[("to", Value::Int(FLOAT as i64))])
        .node("Div", &["single", "two"], "centre", &[])
        .node("Mul", &["in", "two"], "double", &[])
        .node("Sub", &["double", "centre"], "out", &[]);
    let model = half(&graph);
    assert_eq!(
        nodes(&model)[2..],
        [
            "Cast(height) single",
            "Div(single, two) centre",
            "Mul(in, two/half) double",
            "Cast(centre) centre/half",
            "Sub(double, centre/half) out",
        ]
    );
}

#[test]
fn with_half_ports_all_between_stays_single() {
    let read = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let model = convert(&resize().model(13), Target::HalfPorts, &read).unwrap();
    assert_eq!(
        nodes(&model),
        [
            "Cast(in) in/single",
            "Conv(in/single, kernel) convolved",
            "Resize(convolved, , scales) out/single",
            "Cast(out/single) out",
        ]
    );
    assert!(ports_are(&model, FLOAT16));
    assert!(constants(&model).iter().all(|(_, element)| *element == FLOAT));
}

#[test]
fn half_and_back_is_the_same_graph() {
    let read = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let single = convert(&half(&resize()), Target::Single, &read).unwrap();
    assert_eq!(nodes(&single), nodes(&resize().model(13)));
    assert!(ports_are(&single, FLOAT) && !is_needed(&single, Target::Single));
}

#[test]
fn what_is_damaged_is_refused_or_does_no_harm() {
    let model = resize().model(13);
    for length in 0..model.len() {
        drop(convert(&model[..length], Target::Half, &|_| Err(std::io::ErrorKind::NotFound.into())));
    }
}

#[test]
fn sides_of_the_output_that_are_called_like_those_of_the_input_lose_their_names() {
    let model = resize().model(13);
    assert!(ports_share_names(&model));
    let read = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let true_sides = without_side_names(&model, &read).unwrap();
    assert!(!ports_share_names(&true_sides));
    assert_eq!((nodes(&true_sides), constants(&true_sides)), (nodes(&model), constants(&model)));
    let output = Fields(graph_of(&true_sides)).find_bytes(12).unwrap();
    assert_eq!(element_of_port(output), Some(FLOAT));
    let input = Fields(graph_of(&true_sides)).find_bytes(11).unwrap();
    assert_eq!(side_names(input), ["h", "w"]);
}
