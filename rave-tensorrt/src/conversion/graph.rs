//! Rewrites a graph (`GraphProto`), node by node.

use std::collections::{HashMap, HashSet};

use crate::wire::{Field, Fields, Message};

use super::operators::Node;
use super::{Failure, ReadFile, Target, element_of_port, port_with_element, tensor};

/// Whether a weight, an input, an output, a constant or a cast of the model has this element type.
pub(super) fn has_element(model: &[u8], element: u64) -> bool {
    let Some(graph) = Fields(model).find_bytes(7) else { return false };
    let of_node = |node: &[u8]| {
        Node(node).attributes().any(|attribute| {
            let is_cast = Fields(attribute).find_text(1) == Some("to");
            is_cast && Fields(attribute).find_number(3) == Some(element)
                || Fields(attribute).all_bytes(5).any(|value| tensor::element(value) == element)
        })
    };
    Fields(graph).any(|(number, field)| match (number, field) {
        (1, Field::Bytes(node)) => of_node(node),
        (5, Field::Bytes(weight)) => tensor::element(weight) == element,
        (11 | 12, Field::Bytes(port)) => element_of_port(port) == Some(element),
        _ => false,
    })
}

/// The graph for another precision. What is known of inner tensors is left out: their types may have changed.
pub(super) fn rewrite(graph: &[u8], target: Target, read: ReadFile<'_>) -> Result<Vec<u8>, Failure> {
    let mut rewriter = Rewriter::new(graph, target, read)?;
    for node in Fields(graph).all_bytes(1) {
        rewriter.node(Node(node))?;
    }
    rewriter.finish_outputs(graph);
    let named = rewriter.ports(graph);
    let all = rewriter.written.iter().fold(named, |all, (number, message)| all.message(*number, message));
    Ok(all.0)
}

struct Rewriter<'a> {
    target: Target,
    from: u64,
    to: u64,
    /// Element types in the original graph.
    elements: HashMap<&'a str, u64>,
    /// Constants of the type that is replaced, by their names; written when they are used.
    constants: HashMap<&'a str, Vec<u8>>,
    /// Where a tensor of the replaced type is now, and as what.
    places: HashMap<&'a str, Vec<Place>>,
    /// Tensors that follow from the sizes of others alone, and constants of other types.
    of_shape: HashSet<&'a str>,
    outputs: HashSet<&'a str>,
    /// Nodes and constants with the numbers of their fields, nodes in their order.
    written: Vec<(u64, Message)>,
}

#[derive(Clone)]
struct Place {
    element: u64,
    name: String,
}

impl<'a> Rewriter<'a> {
    fn new(graph: &'a [u8], target: Target, read: ReadFile<'_>) -> Result<Self, Failure> {
        let (from, to) = target.elements();
        let mut rewriter = Self {
            target,
            from,
            to,
            elements: HashMap::new(),
            constants: HashMap::new(),
            places: HashMap::new(),
            of_shape: HashSet::new(),
            outputs: Fields(graph).all_bytes(12).filter_map(|port| Fields(port).find_text(1)).collect(),
            written: Vec::new(),
        };
        for port in [11, 12, 13].into_iter().flat_map(|number| Fields(graph).all_bytes(number)) {
            if let (Some(name), Some(element)) = (Fields(port).find_text(1), element_of_port(port)) {
                rewriter.elements.insert(name, element);
            }
        }
        for weight in Fields(graph).all_bytes(5) {
            rewriter.weight(weight, read)?;
        }
        for name in Fields(graph).all_bytes(11).filter_map(|port| Fields(port).find_text(1)) {
            if rewriter.elements.get(name) == Some(&from) && !rewriter.constants.contains_key(name) {
                rewriter.places.insert(name, vec![Place { element: to, name: name.to_owned() }]);
            }
        }
        Ok(rewriter)
    }

    fn weight(&mut self, weight: &'a [u8], read: ReadFile<'_>) -> Result<(), Failure> {
        let name = Fields(weight).find_text(8).unwrap_or_default();
        let element = tensor::element(weight);
        self.elements.insert(name, element);
        let data = tensor::with_data(weight, read)?.into_owned();
        if element == self.from {
            self.constants.insert(name, data);
        } else {
            self.of_shape.insert(name);
            self.written.push((5, Message(data)));
        }
        Ok(())
    }

    fn node(&mut self, node: Node<'a>) -> Result<(), Failure> {
        check(node)?;
        if self.is_constant(node) {
            return Ok(());
        }
        let is_of_shape = self.follows_from_shapes(node);
        let is_kept = match self.target {
            Target::Half => is_of_shape || node.needs_single(),
            Target::Single => false,
            Target::HalfPorts => true,
        };
        let mut copy = Message::default();
        for (index, name) in node.inputs().enumerate() {
            let is_single = self.target != Target::Single && node.input_is_single(index);
            let wanted = if is_kept || is_single { self.from } else { self.to };
            let place = if node.is_of_shape() { self.any(name) } else { self.input(name, wanted) };
            copy = copy.text(1, &place);
        }
        for (index, name) in node.outputs().enumerate() {
            let input = |index: usize| self.elements.get(node.inputs().nth(index)?).copied();
            let known = self.elements.get(name).copied();
            let element = known.or_else(|| node.output_element(index, input));
            copy = copy.text(2, &self.output(name, element, if is_kept { self.from } else { self.to }));
            if is_of_shape {
                self.of_shape.insert(name);
            }
        }
        for (number, field) in Fields(node.0) {
            copy = match (number, field) {
                (1 | 2, _) => copy,
                (5, Field::Bytes(attribute)) if !is_kept => copy.message(5, &self.attribute(attribute)),
                _ => copy.field(number, field),
            };
        }
        self.written.push((1, copy));
        Ok(())
    }

    /// Takes a `Constant` of the replaced type out of the nodes.
    fn is_constant(&mut self, node: Node<'a>) -> bool {
        let (true, Some(name)) = (node.operator() == "Constant", node.outputs().next()) else { return false };
        let numbers =
            |attribute, field| node.attribute(attribute).map(|value| tensor::all_floats(value, field));
        let value = node.attribute("value").and_then(|value| Fields(value).find_bytes(5)).map(<[u8]>::to_vec);
        let value = value
            .or_else(|| numbers("value_float", 2).map(|values| tensor::of_floats(&[], &values).0))
            .or_else(|| {
                let values = numbers("value_floats", 7)?;
                Some(tensor::of_floats(&[values.len() as i64], &values).0)
            });
        let element = value.as_deref().map(tensor::element);
        match (value, element) {
            (Some(value), Some(element)) if element == self.from => {
                self.elements.insert(name, element);
                self.constants.insert(name, value);
                true
            }
            (_, element) => {
                let known =
                    element.or(node.attribute("value_string").is_none().then_some(crate::onnx::INT64));
                self.elements.extend(known.map(|element| (name, element)));
                self.of_shape.insert(name);
                false
            }
        }
    }

    /// Whether all that goes into it is constant or follows from sizes, and something does.
    fn follows_from_shapes(&self, node: Node<'a>) -> bool {
        let is_changing = |name: &&str| !name.is_empty() && !self.constants.contains_key(name);
        let is_of_shape = |name: &str| self.of_shape.contains(name);
        let has_any = node.inputs().any(|name| is_changing(&name));
        node.is_of_shape() || has_any && node.inputs().filter(is_changing).all(is_of_shape)
    }

    /// The name under which a node finds what it calls `name`, of the element type `wanted` if it is one of the two.
    fn input(&mut self, name: &'a str, wanted: u64) -> String {
        if let Some(constant) = self.constants.get(name) {
            if let Some(place) = self.place(name, wanted) {
                return place.name.clone();
            }
            let message = if wanted == self.to {
                tensor::converted(constant, self.to)
            } else {
                Message(constant.clone())
            };
            let free =
                if self.places.contains_key(name) { other_name(name, wanted) } else { name.to_owned() };
            self.written.push((5, tensor::renamed(&message.0, &free)));
            return self.add(name, wanted, free);
        }
        let Some(places) = self.places.get(name) else { return name.to_owned() };
        if let Some(place) = self.place(name, wanted) {
            return place.name.clone();
        }
        let (source, cast) = (places[0].name.clone(), other_name(name, wanted));
        self.cast(&source, &cast, wanted);
        self.add(name, wanted, cast)
    }

    /// The name under which a node finds what it calls `name`, of whatever type.
    fn any(&mut self, name: &'a str) -> String {
        match self.places.get(name).and_then(|places| places.first()) {
            Some(place) => place.name.clone(),
            None => self.input(name, self.to),
        }
    }

    fn output(&mut self, name: &'a str, original: Option<u64>, element: u64) -> String {
        let Some(original) = original else { return name.to_owned() };
        self.elements.insert(name, original);
        if original != self.from || name.is_empty() {
            return name.to_owned();
        }
        let is_port_of_other = self.outputs.contains(name) && element != self.to;
        let place = if is_port_of_other { other_name(name, element) } else { name.to_owned() };
        self.add(name, element, place)
    }

    fn attribute(&self, attribute: &[u8]) -> Message {
        let name = Fields(attribute).find_text(1).unwrap_or_default();
        Fields(attribute).fold(Message::default(), |copy, (number, field)| match (number, field) {
            (3, Field::Number(element)) if matches!(name, "to" | "dtype") && element == self.from => {
                copy.int(3, self.to)
            }
            (5 | 10, Field::Bytes(value)) if tensor::element(value) == self.from => {
                copy.message(number, &tensor::converted(value, self.to))
            }
            _ => copy.field(number, field),
        })
    }

    /// Casts the outputs that are still of the replaced type.
    fn finish_outputs(&mut self, graph: &'a [u8]) {
        for name in Fields(graph).all_bytes(12).filter_map(|port| Fields(port).find_text(1)) {
            let Some(place) = self.places.get(name).and_then(|places| places.first()).cloned() else {
                continue;
            };
            if place.name != name {
                self.cast(&place.name, name, self.to);
            }
        }
    }

    /// What names a graph and its ports, rewritten.
    fn ports(&self, graph: &'a [u8]) -> Message {
        Fields(graph).fold(Message::default(), |copy, (number, field)| match (number, field) {
            (1 | 5 | 13, _) => copy,
            (11, Field::Bytes(port)) if self.is_weight(port) => copy,
            (11 | 12, Field::Bytes(port)) if element_of_port(port) == Some(self.from) => {
                copy.message(number, &port_with_element(port, self.to))
            }
            _ => copy.field(number, field),
        })
    }

    /// Whether an input is a weight of the replaced type, as in old files.
    fn is_weight(&self, port: &[u8]) -> bool {
        Fields(port).find_text(1).is_some_and(|name| self.constants.contains_key(name))
    }

    fn place(&self, name: &str, element: u64) -> Option<&Place> {
        self.places.get(name)?.iter().find(|place| place.element == element)
    }

    fn add(&mut self, name: &'a str, element: u64, place: String) -> String {
        self.places.entry(name).or_default().push(Place { element, name: place.clone() });
        place
    }

    fn cast(&mut self, from: &str, to: &str, element: u64) {
        let attribute = Message::default().text(1, "to").int(3, element).int(20, 2);
        let node = Message::default().text(1, from).text(2, to).text(4, "Cast").message(5, &attribute);
        self.written.push((1, node));
    }
}

/// A name for the same tensor as another type.
fn other_name(name: &str, element: u64) -> String {
    let suffix = if element == crate::onnx::FLOAT { "single" } else { "half" };
    format!("{name}/{suffix}")
}

fn check(node: Node<'_>) -> Result<(), Failure> {
    let unsupported = |what: &str| Err(Failure::Unsupported(format!("it has {what} ({})", node.operator())));
    let has_graph = |attribute: &[u8]| Fields(attribute).any(|(number, _)| matches!(number, 6 | 11));
    if node.attributes().any(has_graph) {
        return unsupported("control flow");
    }
    if node.is_quantized() {
        return unsupported("quantised tensors");
    }
    Ok(())
}
