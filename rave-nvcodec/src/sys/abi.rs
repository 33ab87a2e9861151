//! The declarations against the facts of the headers, fact for fact: what is declared is exactly what the file lists.

use std::collections::BTreeMap;

use super::{cuvid, nvenc};

const SDK_12_2: &str = include_str!("../../tests/abi/nvcodec-12.2.tsv");
const SDK_13_0: &str = include_str!("../../tests/abi/nvcodec-13.0.tsv");

/// An enumeration's spelling and those of its values.
pub type Codes = (&'static str, Vec<(&'static str, u32)>);

/// A type that describes itself, by the macro that declares it.
pub trait Declared {
    const NAME: &'static str;

    fn facts() -> Vec<Fact>;
}

/// Where a field lies.
#[derive(Clone, Debug)]
pub struct Fact {
    name: String,
    offset_bits: usize,
    size_bits: usize,
    is_bit_field: bool,
}

impl Fact {
    pub fn bytes(name: &str, offset: usize, size: usize) -> Self {
        Self { name: name.into(), offset_bits: offset * 8, size_bits: size * 8, is_bit_field: false }
    }

    pub fn bits(name: &str, offset: usize, position: usize, width: usize) -> Self {
        Self { name: name.into(), offset_bits: offset * 8 + position, size_bits: width, is_bit_field: true }
    }

    /// The fields of a part at `offset`, as the facts list them.
    pub fn parts<T: Declared>(part: &str, offset: usize) -> Vec<Fact> {
        let inside = |fact: Fact| Fact {
            name: format!("{part}.{}", fact.name),
            offset_bits: fact.offset_bits + offset * 8,
            ..fact
        };
        T::facts().into_iter().map(inside).collect()
    }

    fn line(&self) -> String {
        let Self { name, offset_bits, size_bits, is_bit_field } = self;
        match is_bit_field {
            true => format!("{name} offset=bit {offset_bits} bits={size_bits}"),
            false => format!("{name} offset={} size={}", offset_bits / 8, size_bits / 8),
        }
    }
}

/// What a struct looks like.
pub struct Layout {
    name: &'static str,
    size: usize,
    align: usize,
    facts: Vec<Fact>,
}

impl Layout {
    pub fn of<T: Declared>() -> Self {
        Self { name: T::NAME, size: size_of::<T>(), align: align_of::<T>(), facts: T::facts() }
    }

    fn lines(&self) -> Vec<String> {
        let head = format!("size={} align={}", self.size, self.align);
        std::iter::once(head).chain(self.facts.iter().map(Fact::line)).collect()
    }
}

type Blocks = BTreeMap<String, Vec<String>>;

/// The facts of a kind, by the name of what they are about.
fn facts_of(text: &str, kind: &str) -> Blocks {
    let mut blocks = Blocks::new();
    let mut current = None;
    for line in text.lines() {
        let cells: Vec<_> = line.trim_start().split('\t').collect();
        if line.starts_with("  ") {
            // Types are not compared: their names are not ours.
            let fact = cells[1..].iter().take(3).copied().collect::<Vec<_>>().join(" ");
            current.iter().for_each(|name| blocks.get_mut(name).unwrap().push(fact.clone()));
        } else {
            current = (cells[0] == kind).then(|| cells[1].to_string());
            current.iter().for_each(|name| drop(blocks.insert(name.clone(), vec![cells[2..].join(" ")])));
        }
    }
    blocks
}

fn declared_structs() -> Blocks {
    let mut layouts = vec![Layout::of::<nvenc::CodecConfig>(), Layout::of::<nvenc::CodecPicParams>()];
    layouts.extend(cuvid::declared_structs());
    layouts.extend(nvenc::config::declared_structs());
    layouts.extend(nvenc::functions::declared_structs());
    layouts.extend(nvenc::guid::declared_structs());
    layouts.extend(nvenc::picture::declared_structs());
    layouts.extend(nvenc::resource::declared_structs());
    layouts.extend(nvenc::session::declared_structs());
    let named = layouts.iter().filter(|layout| !layout.name.is_empty());
    named.map(|layout| (layout.name.to_string(), layout.lines())).collect()
}

fn declared_codes() -> Blocks {
    let mut all = cuvid::codes::declared_codes();
    all.extend(nvenc::codes::declared_codes());
    all.extend(nvenc::caps::declared_codes());
    all.extend(nvenc::vui::declared_codes());
    let lines = |values: Vec<(&str, u32)>| {
        let values = values.into_iter().map(|(name, value)| format!("{name} {value} 0x{value:x}"));
        std::iter::once(String::new()).chain(values).collect()
    };
    all.into_iter().map(|(name, values)| (name.to_string(), lines(values))).collect()
}

fn declared_macros() -> Vec<(&'static str, u32)> {
    let mut all = nvenc::declared_constants().to_vec();
    all.extend(nvenc::config::declared_versions());
    all.extend(nvenc::functions::declared_versions());
    all.extend(nvenc::picture::declared_versions());
    all.extend(nvenc::resource::declared_versions());
    all.extend(nvenc::session::declared_versions());
    all
}

fn assert_same(declared: &Blocks, facts: &Blocks) {
    for (name, lines) in facts {
        assert_eq!(declared.get(name), Some(lines), "{name}");
    }
    assert_eq!(declared.len(), facts.len(), "what is declared is listed");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn every_struct_has_the_size_alignment_and_fields_of_sdk_12_2() {
    let facts = facts_of(SDK_12_2, "struct");
    assert_eq!(facts.len(), 41);
    assert_same(&declared_structs(), &facts);
}

#[test]
fn every_enumeration_has_the_values_of_sdk_12_2() {
    let facts = facts_of(SDK_12_2, "enum");
    assert_eq!(facts.len(), 42);
    assert_same(&declared_codes(), &facts);
}

#[test]
fn every_version_word_and_limit_is_that_of_sdk_12_2() {
    let declared = declared_macros()
        .into_iter()
        .map(|(name, value)| (name.to_string(), vec![format!("{value} 0x{value:08x}")]))
        .collect();
    assert_same(&declared, &facts_of(SDK_12_2, "macro"));
}

#[test]
fn every_guid_is_that_of_sdk_12_2() {
    let declared = nvenc::guid::declared_guids()
        .into_iter()
        .map(|(name, guid)| (name.to_string(), vec![format!("{guid:?}")]))
        .collect();
    assert_same(&declared, &facts_of(SDK_12_2, "guid"));
}

/// What SDK 13.0 changed; its driver must understand the structs of 12.2.
fn changed(kind: &str) -> Vec<String> {
    let (old, new) = (facts_of(SDK_12_2, kind), facts_of(SDK_13_0, kind));
    old.into_iter().filter(|(name, lines)| new.get(name) != Some(lines)).map(|(name, _)| name).collect()
}

/// That SDK 13.0 has every fact of 12.2 but for those that it is free to change.
fn assert_kept(kind: &str, is_free: fn(&str) -> bool) {
    let new = facts_of(SDK_13_0, kind);
    for (name, facts) in facts_of(SDK_12_2, kind) {
        let kept = |fact: &&String| !is_free(fact) && !new[&name].contains(fact);
        assert_eq!(facts.iter().find(kept), None, "{name}");
    }
}

#[test]
fn the_structs_that_sdk_13_0_changed_are_known_and_only_reserved_bytes_got_names() {
    let expected = [
        "CUVIDPARSERPARAMS",
        "NV_ENC_CONFIG_AV1",
        "NV_ENC_CONFIG_H264",
        "NV_ENC_CONFIG_HEVC",
        "NV_ENC_PIC_PARAMS_AV1",
        "NV_ENC_PIC_PARAMS_HEVC",
        "NV_ENC_RC_PARAMS",
        "NV_ENC_REGISTER_RESOURCE",
    ];
    assert_eq!(changed("struct"), expected);
    assert_kept("struct", |fact| fact.starts_with("reserved"));
}

#[test]
fn the_enumerations_that_sdk_13_0_changed_are_known_and_only_got_more_values() {
    let expected =
        ["_NV_ENC_BUFFER_FORMAT", "_NV_ENC_CAPS", "_NV_ENC_SPLIT_ENCODE_MODE", "cudaVideoSurfaceFormat_enum"];
    assert_eq!(changed("enum"), expected);
    assert_kept("enum", |fact| fact.contains("_COUNT "));
}

#[test]
fn sdk_13_0_changed_no_guid() {
    assert_eq!(changed("guid"), [""; 0]);
}

#[test]
fn sdk_13_0_raised_no_version_of_a_struct() {
    let number = |lines: &[String]| lines[0].split(' ').next().unwrap().parse::<u32>().unwrap();
    // The version of the struct, and bit 31.
    let of_struct = |lines: &[String]| number(lines) & 0x80ff_0000;
    let new = facts_of(SDK_13_0, "macro");
    for (name, lines) in facts_of(SDK_12_2, "macro").iter().filter(|(name, _)| name.ends_with("_VER")) {
        assert_eq!(of_struct(lines), of_struct(&new[name]), "{name}");
    }
}

#[test]
fn a_bit_field_is_set_and_read_without_touching_its_neighbours() {
    let mut params = nvenc::RcParams { flags: u32::MAX, ..Default::default() };
    params.set_aq_strength(0x15);
    assert_eq!((params.aq_strength(), params.flags), (5, !(0xa << 12)));
    params.set_enable_aq(0);
    assert_eq!((params.enable_aq(), params.disable_iadapt()), (0, 1));
}

#[test]
fn a_versioned_struct_is_zero_but_for_its_version() {
    let params = nvenc::PicParams::versioned();
    assert_eq!(params.version, 0xf207_000c);
    assert!(params.input_buffer.is_null() && params.reserved3 == [0; 284]);
}

#[test]
fn a_status_knows_its_name_and_an_unknown_one_has_none() {
    assert_eq!(nvenc::Status::UNSUPPORTED_DEVICE.name(), Some("NV_ENC_ERR_UNSUPPORTED_DEVICE"));
    assert_eq!(nvenc::Status(999).name(), None);
}
